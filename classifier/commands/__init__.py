"""The subcommands of `python -m classifier`, one module each."""
