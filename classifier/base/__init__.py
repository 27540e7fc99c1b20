"""What everything stands on: errors, files, paths, progress, processes. It imports no room."""
