"""fetch: the table as it is at its source, its content pinned by a checksum, to data/raw.csv."""

import hashlib
from pathlib import Path

from classifier.base.errors import UserError, without_secrets
from classifier.base.files import replaced_file
from classifier.base.paths import RAW
from classifier.base.process import run
from classifier.fetching.download import download, unpack_source
from classifier.params import Fetch, load_params


def main() -> None:
    settings = load_params().fetch
    with replaced_file(RAW) as target:
        download(settings, target)
        check_sha256(settings, target)
        unpack_source(settings, target)


def check_sha256(settings: Fetch, path: Path) -> None:
    """Raise `UserError` unless the file has the checksum that the params pin, if they do."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if settings.sha256 not in (None, found):
        raise UserError(
            f"fetch.source: {without_secrets(settings.source)}: its sha256 is {found}, "
            f"expected {settings.sha256} (fetch.sha256)"
        )


if __name__ == "__main__":
    run(main)
