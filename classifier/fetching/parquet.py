"""Parquet files as CSV text, always the same for the same values, a batch of rows at a time."""

import codecs
import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from classifier.base.errors import UserError, one_line, shown
from classifier.base.progress import Progress
from classifier.table.cells import Layout

THOUSAND = r"^(-?\d{1,3}\.\d{3})$"  # looks like one thousand and more, apart by a point
FIRST, BEGINNING = 5, re.compile(rb"PAR1[\0-\x08\x0e-\x1f]")  # bytes; no text goes on so
CELLS = 2**18  # of a batch
BUFFER = 2**20  # bytes of a column that are read at a time
INSTALL = (
    "uv pip install --requirement pyproject.toml --extra parquet --constraint requirements.txt"
)


def is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return begins_as_parquet(file.read(FIRST))


def begins_as_parquet(text: bytes) -> bool:
    """Whether the first bytes of a file are those of Parquet."""
    return bool(BEGINNING.match(text))


def write_parquet_as_csv(layout: Layout, path: Path, target: Path) -> None:
    """Write a Parquet file as CSV in UTF-8, with a header.

    Null and NaN are empty cells. Times are to the second, those with a zone in UTC.

    Raises:
        UserError: pyarrow is missing, the file is damaged, or a column is of a type that has no
            place in a cell.
    """
    if codecs.lookup(layout.encoding).name not in ("utf-8", "utf-8-sig"):
        raise UserError(f"{path}: is Parquet, whose text is UTF-8; set prepare.encoding: utf-8")
    if not layout.header:
        raise UserError(f"{path}: is Parquet, which names its columns; set prepare.header: true")
    with opened(path) as file, target.open("wb") as csv_file:
        names = column_names(path, file.schema_arrow)
        csv_file.write(line_of(names, layout.delimiter))
        rows = max(1, CELLS // len(names))
        bar = {"desc": "Parquet", "total": file.metadata.num_rows, "unit": "rows", "leave": None}
        with Progress(**bar, disable=file.metadata.num_rows <= rows) as progress:
            for batch in file.iter_batches(rows):
                csv_file.write(lines_of(batch, layout.delimiter))
                progress.update(len(batch))


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file as `pyarrow.parquet.ParquetFile`; what it cannot read is one line."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(f"{path}: is a Parquet file, run `{INSTALL}`") from error
    try:
        with pyarrow.parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
            yield file
    except (pyarrow.ArrowException, OSError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the system, not of what is in the file
        why = one_line(str(error)).removeprefix("error: ")
        raise UserError(f"{path}: cannot be read as Parquet: {why}") from error


def column_names(path: Path, schema: Any) -> list[str]:
    """Return the names of a `pyarrow.Schema`; raise `UserError` if one has no place in a table."""
    for name, kind in zip(schema.names, schema.types, strict=True):
        if not has_text(kind):
            raise UserError(
                f"{path}: column {shown(name)}: is of type {kind}, which does not fit into a cell; "
                "leave it out of the file"
            )
    if not schema.names:
        raise UserError(f"{path}: has no columns")
    return [*schema.names]


def has_text(kind: Any) -> bool:
    """Whether values of an Arrow type can be written into a cell: none that are bytes or nested."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return has_text(kind.value_type)
    tests = [
        types.is_null, types.is_boolean, types.is_integer, types.is_floating, types.is_decimal,
        types.is_string, types.is_large_string, types.is_string_view,
        types.is_date, types.is_time, types.is_timestamp,
    ]  # fmt: skip
    return any(test(kind) for test in tests)


def lines_of(batch: Any, delimiter: str) -> Any:
    """Return the rows of a `pyarrow.RecordBatch` as lines of CSV, a buffer of UTF-8."""
    import pyarrow as pa
    from pyarrow import compute

    # In one column an empty cell would be a blank line, which is no row.
    needs_quotes = rf'^[ \t]|[{re.escape(delimiter)}"\r\n]' if batch.num_columns > 1 else ""
    cells = [quoted_texts(texts_of(column), needs_quotes) for column in batch.columns]
    lines = joined(joined(*cells, between=delimiter), "\n")
    whole = pa.ListArray.from_arrays([0, len(lines)], lines)
    return compute.binary_join(whole, pa.scalar("", pa.large_string()))[0].as_buffer()


def texts_of(column: Any) -> Any:
    """Return a `pyarrow.Array` as large strings, '' for null and NaN."""
    import pyarrow as pa
    from pyarrow import compute

    kind, zone = column.type, ""
    if pa.types.is_dictionary(kind):
        return texts_of(column.cast(kind.value_type))
    if pa.types.is_boolean(kind):
        column = compute.if_else(column, "True", "False")  # as Python and pandas write them
    elif pa.types.is_timestamp(kind):
        zone = "+00:00" if kind.tz else ""
        in_utc = column.cast(pa.timestamp(kind.unit))
        column = compute.floor_temporal(in_utc, unit="second").cast(pa.timestamp("s"))
    elif pa.types.is_time(kind):
        column = column.cast(pa.time32("s"), safe=False)
    elif pa.types.is_floating(kind):
        numbers = column.cast(pa.float32()) if pa.types.is_float16(kind) else column
        column = compute.if_else(compute.is_nan(numbers), None, numbers)
    texts = column.cast(pa.large_string())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        texts = compute.replace_substring_regex(texts, THOUSAND, r"\10")
    return compute.fill_null(joined(texts, zone), "")


def quoted_texts(texts: Any, needs_quotes: str) -> Any:
    """Return cells in quotes where a pattern says that they need them."""
    from pyarrow import compute

    needed = compute.match_substring_regex(texts, needs_quotes)
    if not compute.any(needed).as_py():
        return texts
    doubled = compute.replace_substring(texts, '"', '""')
    return compute.if_else(needed, joined('"', doubled, '"'), texts)


def joined(*texts: Any, between: str = "") -> Any:
    """Return large strings, each put together from one of each array, and from texts."""
    import pyarrow as pa
    from pyarrow import compute

    def large(text: Any) -> Any:
        return pa.scalar(text, pa.large_string()) if isinstance(text, str) else text

    return compute.binary_join_element_wise(*map(large, (*texts, between)))


def line_of(names: list[str], delimiter: str) -> bytes:
    """Return a header as a line of CSV."""
    line = StringIO()
    csv.writer(line, delimiter=delimiter, lineterminator="\n").writerow(names)
    return line.getvalue().encode()
