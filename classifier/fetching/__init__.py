"""The table as it is at its source."""
