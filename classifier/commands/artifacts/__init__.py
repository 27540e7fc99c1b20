"""`classifier verify` and `push`: whether artifacts are as dvc.lock says, and repairs."""
