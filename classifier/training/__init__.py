"""Networks trained: one, or many side by side."""
