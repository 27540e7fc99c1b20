"""A table from its source, a file or a URL of any kind that fsspec knows, to a file here."""

import errno
import os
import time
from pathlib import Path
from typing import Any, TypeGuard
from urllib.parse import urlsplit

import aiohttp
import fsspec
from fsspec.callbacks import TqdmCallback
from fsspec.implementations.local import LocalFileSystem

from classifier.base.errors import UserError, oddity, require_file, without_secrets
from classifier.base.paths import SOURCES
from classifier.base.progress import Progress
from classifier.fetching.as_csv import is_packed, replace, unpack
from classifier.params import Fetch

# s3 needs the package s3fs, gs gcsfs, az and abfs adlfs, sftp and ssh paramiko.
SCHEMES = ("http", "https", "file", "ftp", "s3", "gs", "az", "abfs", "sftp", "ssh")

WHOLE_STATUSES = (200, 203)  # what comes is all of it; 203: by a proxy
PASSING_STATUSES = (408, 429)  # request time-out, too many requests
LONGEST_WAIT = 30.0  # seconds between two tries


def download(settings: Fetch, target: Path) -> None:
    """Stream the source to `target`, trying again after a transfer that failed.

    Raises:
        UserError: a local file where DVC would not see it change, a URL that is none or of an
            unknown kind, the source does not exist, or every try failed.
    """
    if "://" not in settings.source:
        require_local_source(Path(settings.source))
    for number in range(settings.retries + 1):
        try:
            transfer(settings, target)
            return
        except Exception as error:  # every kind of storage has its own
            if is_of_target(error, target):
                raise OSError(error.errno, error.strerror, str(target)) from error
            if is_final(error) or number == settings.retries:
                why = reason(error, settings)
                raise UserError(
                    f"fetch.source: {without_secrets(settings.source)}: {why}"
                ) from error
            time.sleep(min(2**number / 4, LONGEST_WAIT))  # 1/4 s, 1/2 s, 1 s, ...


def require_local_source(path: Path) -> None:
    require_under_sources(path)
    require_file(path, f"put the table under {SOURCES}")


def require_under_sources(path: Path) -> None:
    """Raise `UserError` where DVC does not see local files change."""
    real, sources = Path(os.path.realpath(path)), SOURCES.resolve()
    if not real.is_relative_to(sources):
        raise UserError(
            f"fetch.source: {path}: is not under {SOURCES}, where DVC sees local files change"
        )
    for folder in (real, *real.parents[: len(real.relative_to(sources).parts)]):
        if (folder / ".dvc").is_dir():
            raise UserError(
                f"fetch.source: {path}: {os.path.relpath(folder)} is a DVC project of its own, in "
                f"which DVC does not see files change; copy the table into {SOURCES}"
            )


def open_source(settings: Fetch) -> tuple[Any, str]:
    """Return the fsspec file system of the source and the path on it.

    Not by `fsspec.url_to_fs`, which takes a `::` in a path or an address for one of its own.

    Raises:
        ValueError: a URL that is none or of an unknown kind.
    """
    scheme, colon, rest = settings.source.partition("://")
    if not colon:
        return fsspec.filesystem("file"), settings.source
    scheme, url = scheme.lower(), f"{scheme.lower()}://{rest}"
    if scheme not in SCHEMES:
        raise ValueError(f"unknown kind of URL, known are {', '.join(SCHEMES)}")
    if scheme != "file" and not urlsplit(url).hostname:
        raise ValueError(f"there is no host after {scheme}://")
    kind = fsspec.get_filesystem_class(scheme)
    options = kind._get_kwargs_from_urls(url) | options_of(scheme, settings.timeout)
    return kind(**options), kind._strip_protocol(url)


def options_of(scheme: str, seconds: float) -> dict[str, Any]:
    """The options that limit waiting for an answer, not the length of a transfer that moves."""
    if scheme in ("http", "https"):
        limit = aiohttp.ClientTimeout(total=None, sock_connect=seconds, sock_read=seconds)
        # Unpacked here: of a compressed answer that is cut off, what came would pass for all of it.
        as_it_is = {"headers": {"Accept-Encoding": "identity"}, "auto_decompress": False}
        whole = {"raise_for_status": require_whole}
        return {"client_kwargs": {"timeout": limit} | as_it_is | whole}
    return {"timeout": seconds} if scheme in ("ftp", "sftp", "ssh") else {}


async def require_whole(answer: aiohttp.ClientResponse) -> None:
    """Raise `aiohttp.ClientResponseError` if a server has sent a part, or a page about waiting."""
    if answer.status not in WHOLE_STATUSES and answer.status < 400:
        raise aiohttp.ClientResponseError(
            answer.request_info, answer.history, status=answer.status, message=str(answer.reason)
        )


def transfer(settings: Fetch, target: Path) -> None:
    filesystem, path = open_source(settings)
    is_local = isinstance(filesystem, LocalFileSystem) and os.path.lexists(path)
    if is_local and (kind := oddity(Path(path))):  # reading a device or a FIFO may never end
        raise ValueError(f"is {kind}, expected a file")
    bar = {"desc": "fetch", "unit": "B", "unit_scale": True}
    with TqdmCallback(tqdm_kwargs=bar, tqdm_cls=Progress) as callback:
        filesystem.get_file(path, str(target), callback=callback)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a directory, expected a file")
    if not target.stat().st_size:
        raise ValueError("is empty")
    if is_packed(target) and not path.lower().endswith(".gz"):  # for the way here
        replace(target, unpack)


def is_of_target(error: BaseException, target: Path) -> TypeGuard[OSError]:
    """Whether it is the file here that cannot be written, whatever the source may do."""
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if not isinstance(error, OSError):
        return False
    return error.errno in full or Path(error.filename or "").absolute() == target.absolute()


def is_final(error: BaseException) -> bool:
    """Return whether trying again is useless: the file does not exist, or the server refuses."""
    if isinstance(error, aiohttp.TooManyRedirects | aiohttp.RedirectClientError):
        return True
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status < 500 and error.status not in PASSING_STATUSES
    return isinstance(error, FileNotFoundError | IsADirectoryError | ImportError | ValueError)


def reason(error: BaseException, settings: Fetch) -> str:
    match error:
        case TimeoutError():
            return f"no answer in {settings.timeout:g} s (fetch.timeout)"
        case aiohttp.TooManyRedirects():
            return "the server redirects endlessly"
        case aiohttp.RedirectClientError():
            return f"the server redirects to {error}"
        case aiohttp.ClientResponseError():
            return f"the server answered {error.status} {error.message}"
        case FileNotFoundError():
            return "not found"
        case IsADirectoryError():
            return "is a directory, expected a file"
    return str(error) or type(error).__name__
