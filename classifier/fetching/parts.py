"""A table that is a folder of parts: files of one kind and the same columns, joined as one CSV."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from classifier.base.errors import UserError, listed, quoted
from classifier.base.progress import Progress
from classifier.fetching.as_csv import NAMES, as_csv, split_name
from classifier.fetching.download import require_local_source, require_under_sources
from classifier.table.cells import Layout, counted, is_number
from classifier.table.csv_text import numbered_rows, open_text


def find_parts(folder: Path) -> list[Path]:
    """Return the parts in the order of their names; say which hidden files are passed over.

    Raises:
        UserError: there are none, or they are not files of one kind below `data/source`.
    """
    require_under_sources(folder)
    paths = sorted(folder.iterdir(), key=lambda path: path.name)
    # What Spark and others hide, and what `dvc add` writes beside a part.
    hidden = [path.name for path in paths if path.name[0] in "._" or path.suffix == ".dvc"]
    parts = [path for path in paths if path.name not in hidden]
    if hidden:
        print(f"{folder}: skipped: {listed(hidden)}", file=sys.stderr)
    if not parts:
        raise UserError(f"{folder}: has no parts, expected files that end in {NAMES}")
    for part in parts:
        if part.is_dir():
            raise UserError(f"{part}: is a directory, expected parts that are files")
        if not split_name(part.name)[1]:
            raise UserError(f"{part}: is not a part, expected a name that ends in {NAMES}")
        require_local_source(part)
    kinds = {split_name(part.name)[1]: part for part in parts}
    if len(kinds) > 1:
        named = " and ".join(f"{kind} ({kinds[kind].name})" for kind in sorted(kinds))
        raise UserError(f"{folder}: has parts of several kinds, {named}; expected one kind")
    return parts


def join(parts: Sequence[Path], layout: Layout, target: Path) -> None:
    """Write the rows of all parts, under one header if the layout has one.

    Raises:
        UserError: a part has other columns than the first, is damaged, or all are empty.
    """
    first_rows: dict[Path, list[str]] = {}
    with target.open("w", encoding=layout.encoding, newline="") as table:
        for part in Progress(iterable=parts, desc="fetch", unit="parts"):
            row = append(part, layout, table, next(iter(first_rows.items()), None))
            if row is None:
                print(f"{part}: is empty, skipped", file=sys.stderr)
            else:
                first_rows[part] = row
    if not first_rows:
        raise UserError(f"{parts[0].parent}: every part is empty")
    if not layout.header and are_headers([*first_rows.values()]):
        seen = f"{parts[0].parent}: row 1 is the same in every part"
        print(f"{seen}; if it is a header, set prepare.header: true", file=sys.stderr)


def are_headers(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether first rows may be headers: several, all the same, without numbers."""
    is_same = len(rows) > 1 and all(row == rows[0] for row in rows)
    return is_same and not any(map(is_number, rows[0]))


def append(
    part: Path, layout: Layout, table: TextIO, first: tuple[Path, list[str]] | None
) -> list[str] | None:
    """Write the rows of a part to a table, and return the first row, None of an empty part.

    first: the first part and its first row, None if this is the first.
    """
    copy, read = Path(f"{table.name}.part.tmp"), list[str]()
    with as_csv(part, layout, copy) as path, open_text(path, layout) as lines:
        rows = numbered_rows(noted(lines, read), layout, path)
        _, row = next(rows, (0, None))
        if row is None:
            return None
        names = [cell.strip() for cell in row]
        if first:
            require_same_columns(part, names, *first, has_header=layout.header)
        if first and layout.header:
            read.clear()
        for _ in rows:  # a quote that is not closed ends it here, not in the next part
            table.writelines(read)
            read.clear()
        table.writelines(read)
    return names


def noted(lines: Iterable[str], read: list[str]) -> Iterator[str]:
    """Yield lines, each once it is added, whole, to those that were read."""
    for line in lines:
        read.append(line if line.endswith(("\n", "\r")) else line + "\n")
        yield line


def require_same_columns(
    part: Path, row: Sequence[str], first: Path, expected: Sequence[str], has_header: bool
) -> None:
    if len(row) != len(expected):
        found = counted(len(row), "column")
        raise UserError(f"{part}: has {found}, {first.name} has {len(expected)}")
    if has_header:
        for at, (name, other) in enumerate(zip(row, expected, strict=True), 1):
            if name != other:
                raise UserError(
                    f"{part}: column {at} is {quoted(name)}, in {first.name} {quoted(other)}"
                )
