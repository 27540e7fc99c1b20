"""The commands of `classifier`, one module or folder each."""
