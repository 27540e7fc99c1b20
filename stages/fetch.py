"""fetch: the table as it is at its source, its content pinned by a checksum, to data/raw.csv."""

import errno
import hashlib
import time
from pathlib import Path
from typing import Any

import aiohttp
import fsspec
from fsspec.callbacks import TqdmCallback

from classifier.errors import UserError, require_file, run
from classifier.files import replaced_file
from classifier.params import Fetch, load_params
from classifier.progress import Progress

RAW = Path("data/raw.csv")
LOCAL_SOURCES = Path("data/source")

LONGEST_WAIT = 30.0  # seconds between two tries


def main() -> None:
    settings = load_params().fetch
    with replaced_file(RAW) as target:
        download(settings, target)
        check_sha256(settings, target)


def download(settings: Fetch, target: Path) -> None:
    """Stream the source to `target`, trying again after a transfer that failed.

    Raises:
        UserError: the source does not exist, or every try failed.
    """
    filesystem, path = open_source(settings)
    for number in range(settings.retries + 1):
        try:
            transfer(filesystem, path, target)
            return
        except (OSError, ValueError, aiohttp.ClientError) as error:
            if is_of_target(error, target):
                raise
            if is_final(error) or number == settings.retries:
                raise UserError(f"fetch.source: {settings.source}: {reason(error)}") from error
            time.sleep(min(2**number / 4, LONGEST_WAIT))  # 1/4 s, 1/2 s, 1 s, ...


def open_source(settings: Fetch) -> tuple[Any, str]:
    """Return the fsspec file system of the source and the path on it.

    Raises:
        UserError: a local file where DVC would not see it change, or a URL of an unknown kind.
    """
    if "://" not in settings.source:
        require_local_source(Path(settings.source))
    options = {"client_kwargs": {"timeout": idle_timeout(settings.timeout)}}
    scheme, colon, rest = settings.source.partition("://")
    is_http = scheme.lower() in ("http", "https")
    source = scheme.lower() + colon + rest if colon else settings.source
    try:
        filesystem, path = fsspec.url_to_fs(source, **(options if is_http else {}))
    except (ImportError, OSError, ValueError) as error:
        raise UserError(f"fetch.source: {settings.source}: {error}") from error
    return filesystem, path


def require_local_source(path: Path) -> None:
    if not path.resolve().is_relative_to(LOCAL_SOURCES.resolve()):
        raise UserError(
            f"fetch.source: {path}: is not under {LOCAL_SOURCES}, where DVC sees local files change"
        )
    require_file(path, f"fetch.source names it; put it under {LOCAL_SOURCES}")


def idle_timeout(seconds: float) -> aiohttp.ClientTimeout:
    """A limit on waiting for an answer, none on the length of a transfer that moves."""
    return aiohttp.ClientTimeout(total=None, sock_connect=seconds, sock_read=seconds)


def transfer(filesystem: Any, path: str, target: Path) -> None:
    bar = {"desc": "fetch", "unit": "B", "unit_scale": True}
    with TqdmCallback(tqdm_kwargs=bar, tqdm_cls=Progress) as callback:
        filesystem.get_file(path, str(target), callback=callback)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a directory, expected a file")


def is_of_target(error: BaseException, target: Path) -> bool:
    """Whether it is the file here that cannot be written, whatever the source may do."""
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if not isinstance(error, OSError):
        return False
    return error.errno in full or Path(error.filename or "").absolute() == target.absolute()


def is_final(error: BaseException) -> bool:
    """Whether trying again is of no use: there is no such file, or the server refuses."""
    if isinstance(error, aiohttp.ClientResponseError):
        return 400 <= error.status < 500
    return isinstance(error, FileNotFoundError | IsADirectoryError | ValueError)


def reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientResponseError):
        return f"the server answered {error.status} {error.message}"
    if isinstance(error, FileNotFoundError):
        return "not found"
    if isinstance(error, IsADirectoryError):
        return "is a directory, expected a file"
    return str(error) or type(error).__name__


def check_sha256(settings: Fetch, path: Path) -> None:
    """Raise `UserError` unless the file has the checksum that the params pin, if they do."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if settings.sha256 not in (None, found):
        raise UserError(
            f"fetch.source: {settings.source}: its sha256 is {found}, "
            f"expected {settings.sha256} (fetch.sha256)"
        )


if __name__ == "__main__":
    run(main)
