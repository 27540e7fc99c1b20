"""Errors for people: one line on standard error and exit code 1."""

from pathlib import Path


class UserError(Exception):
    """Something that the user can fix; its text is the one line that they see."""


def require_file(path: Path, hint: str = "") -> Path:
    """Return `path`; raise `UserError`, with the hint of how to get it, unless there is a file."""
    if path.is_dir():
        raise UserError(f"{path}: is a directory, expected a file")
    if not path.exists():
        raise UserError(f"{path}: no such file" + (f"; {hint}" if hint else ""))
    return path


def one_line(message: str) -> str:
    """Return the line to print, also where a path or a column's name has line breaks."""
    return " ".join(["error:", *filter(None, map(str.strip, message.splitlines()))])
