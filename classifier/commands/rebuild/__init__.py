"""`classifier rebuild`: everything made again elsewhere, and compared with what is shared."""
