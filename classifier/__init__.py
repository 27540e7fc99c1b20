"""What the stages and the command line share."""
