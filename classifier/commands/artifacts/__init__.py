"""`classifier verify` and `push`: whether artifacts match dvc.lock, and repairs."""
