"""From a table to rows of numbers: which columns, which classes, what is learned from them."""
