"""fetch: the table as it is at its source, its content pinned by a checksum, to data/raw.csv.

A CSV file stays as it is. Parquet, and parts in a folder, become one, written as prepare reads it.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from classifier.base.errors import UserError, without_secrets
from classifier.base.files import replaced_file
from classifier.base.paths import RAW
from classifier.base.process import run_stage
from classifier.fetching.as_csv import become_csv
from classifier.fetching.download import download
from classifier.fetching.parts import find_parts, join
from classifier.params import Fetch, Prepare, load_params
from classifier.table.cells import Layout


def main() -> None:
    params = load_params()
    settings, layout = params.fetch, layout_for(params.prepare)
    with replaced_file(RAW) as target:
        if Path(settings.source).is_dir():
            parts = find_parts(Path(settings.source))
            check_sha256(settings, parts)
            join(parts, layout, target)
        else:
            download(settings, target)
            check_sha256(settings, [target])
            become_csv(target, layout, f"fetch.source: {without_secrets(settings.source)}")


def layout_for(settings: Prepare) -> Layout:
    """Return how prepare is to find data/raw.csv written."""
    return Layout(
        delimiter=settings.delimiter,
        encoding=settings.encoding,
        header=settings.header is True,
        na_values=[],
    )


def check_sha256(settings: Fetch, paths: Iterable[Path]) -> None:
    """Raise `UserError` unless files, one after the other, have the checksum that is pinned."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    if settings.sha256 not in (None, digest.hexdigest()):
        raise UserError(
            f"fetch.source: {without_secrets(settings.source)}: its sha256 is "
            f"{digest.hexdigest()}, expected {settings.sha256} (fetch.sha256)"
        )


if __name__ == "__main__":
    run_stage(main)
