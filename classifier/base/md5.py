"""The md5 by which DVC knows a file or a folder."""

import hashlib
import json
from pathlib import Path


def md5_of(path: Path) -> str:
    """Return the md5 of a file's bytes, or that of a folder's list of files, which ends in .dir."""
    if path.is_dir():
        return md5_of_bytes(list_of_files(path)) + ".dir"
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def md5_of_bytes(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def list_of_files(folder: Path) -> bytes:
    """Return the list that DVC makes of a folder: the md5 and the path of each file in it."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    entries = [{"md5": md5_of(f), "relpath": f.relative_to(folder).as_posix()} for f in files]
    entries.sort(key=lambda entry: entry["relpath"])
    return json.dumps(entries, sort_keys=True).encode()
