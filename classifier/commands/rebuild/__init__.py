"""`classifier rebuild`: everything made anew elsewhere, and compared with what is shared."""
