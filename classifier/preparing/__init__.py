"""From a table to rows of numbers: which columns, which categories and classes, which rows."""
