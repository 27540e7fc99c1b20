"""The list that DVC keeps of a folder: the md5 of each file, by its path in the folder.

Whoever made the commit, or can write to the remote, wrote it. DVC links each file where it says.
"""

import json
import re
from collections.abc import Iterable
from itertools import pairwise

from classifier.base.dvc_lock import MD5

LARGEST = 100 * 2**20  # bytes, of a list of a million files: it is read into memory
# A name that leads elsewhere, or that git or DVC acts on wherever it is; what is not in any name.
UNSAFE = re.compile(
    r"(?:^|/)(?:\.{0,2}|\.git|\.dvc|\.dvcignore)(?:/|\Z)|[\0\\\ud800-\udfff]", re.IGNORECASE
)


def parse_list(content: bytes) -> dict[str, str]:
    """Return the md5 of each file by its path in the folder.

    Raises:
        ValueError: it is not such a list, or a path may lead out of the folder.
    """
    try:
        entries = json.loads(content.decode())  # by the parser that DVC uses
        md5s = {entry["relpath"]: entry["md5"] for entry in entries}
        unsafe = next(filter(UNSAFE.search, md5s), None)
        whole = isinstance(entries, list) and all(map(is_entry, entries))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise ValueError("is not a list of files and their md5")
    if unsafe is not None:
        raise ValueError(f"lists {unsafe!r}, which is not a safe path")
    if len(md5s) < len(entries) or overlap(md5s):
        raise ValueError("lists two files in one place")
    return md5s


def is_entry(entry: dict[str, str]) -> bool:
    """Whether this is all that DVC writes of a file: with other keys it would do more."""
    md5 = entry["md5"]
    return len(entry) == 2 and bool(MD5.fullmatch(md5)) and not md5.endswith(".dir")


def overlap(paths: Iterable[str]) -> bool:
    """Whether one of the paths leads through another, as a/b does through a."""
    names = sorted(path.split("/") for path in paths)
    return any(longer[: len(shorter)] == shorter for shorter, longer in pairwise(names))
