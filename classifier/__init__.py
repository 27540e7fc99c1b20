"""What the stages and the command line share; each folder is a room with one subject."""
