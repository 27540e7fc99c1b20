"""Whatever is in a file, its cells are those that Python's csv module finds, or it is refused."""

import csv
import math
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from classifier.base.errors import UserError
from classifier.commands.predict import csv_lines
from classifier.table import reader
from classifier.table.cells import Layout
from classifier.table.reader import Table

ODD = "\t\x0b\x0c\x1a\x1c\x1f\x7f\x85\xa0\u2028\ufeffé中テ한\U00020000"
LINE_ENDS = ["\n", "\r", "\r\n", "\n\r", "\r\r\n", "\n\n", "\r\r", "\n \n", "\r\t\r", " \t\n"]
NUMBERS = [
    "1",
    "2.5",
    "-3e2",
    " 4",
    "5\t",
    "+.5e-3",
    "-0",
    "0x10",
    "1_0",
    "1e400",
    "inf",
    "True",
    "\0",
]
ENCODINGS = ["utf-8", "utf-8", "utf-16", "latin-1", "cp037", "utf-7", "gb18030", "big5hkscs"]
ENCODINGS += ["shift_jis_2004", "cp949", "euc_jp", "johab", "hz", "iso2022_jp_ext", "iso2022_kr"]


def csv_rows(text: str, delimiter: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield line, text and cells of each row that is not blank; `ValueError`: an open quote."""
    lines = [*StringIO(text, newline=""), "\n"]
    reader, seen = csv.reader(lines, delimiter=delimiter, skipinitialspace=True), 0
    for row in reader:
        source = "".join(lines[seen : reader.line_num]).rstrip("\r\n")
        if reader.line_num == len(lines) and row:
            raise ValueError("a quote is not closed")
        if source.strip(" " if delimiter == "\t" else " \t"):
            yield seen + 1, source, row
        seen = reader.line_num


def expected_cells(of: Table, text: str) -> tuple[list[int], list[str], list[list[Any]]]:
    """Return lines, texts and cells of the rows, numbers as float32; `ValueError`: a fault."""
    if "\0" in text:
        raise ValueError("NUL")
    lines, sources, rows = [], [], []
    for line, source, row in list(csv_rows(text, of.layout.delimiter))[of.layout.header :]:
        pairs = zip(of.names, row, strict=True)
        lines.append(line)
        sources.append(source)
        rows.append([expected_cell(of, name, cell) for name, cell in pairs])
    return lines, sources, rows


def expected_cell(of: Table, name: str, cell: str) -> Any:
    layout, is_number_column = of.layout, name in of.numbers
    missing = layout.is_missing_number if is_number_column else layout.is_missing
    if missing(cell) and name in of.required:
        raise ValueError("a gap")
    if not is_number_column:
        return cell
    if missing(cell):
        return None
    number = float(
        cell.strip().translate(dict.fromkeys([*map(ord, "_iI"), *range(128, 70000)], "x"))
    )
    if not math.isfinite(np.float32(number)):
        raise ValueError("too large")
    return np.float32(number)


def read_cells(of: Table) -> tuple[list[str], list[list[Any]]]:
    """Return what predict writes for the rows, and their cells."""
    written: list[str] = []
    rows: list[list[Any]] = []
    schema: Any = SimpleNamespace(classes=["p\nq", "r"])
    for chunk in of.chunks():
        written += csv_lines(schema, of, chunk, np.tile([0.75, 0.25], (len(chunk), 1)))
        columns = [
            [None if math.isnan(x) else x for x in chunk.numbers[:, of.numbers.index(name)]]
            if name in of.numbers
            else list(map(str, chunk.texts[name]))
            for name in of.names
        ]
        rows += map(list, zip(*columns, strict=True))
    return written, rows


WORD = st.text("ab1.,;-é中' \"" + ODD, max_size=4)
ANYTHING = st.lists(
    st.sampled_from([",", "\t", '"', '"', '""', "\n", "\r", " "]) | WORD, max_size=12
)
RAW = ANYTHING.map("".join)
QUOTED = RAW.map(lambda cell: '"' + cell.replace('"', '""') + '"')
PLAIN = st.text("ab1é中' \"", max_size=4)
CELL = st.just("1") | st.sampled_from(NUMBERS) | PLAIN | QUOTED | QUOTED.map(" {}".format)
START = st.sampled_from(["", "", "", "\ufeff", "\n", "\r", " \r\n", "\t\n"])


@st.composite
def texts(draw: st.DrawFn, delimiter: str, columns: int) -> str:
    """A table of so many columns, or nearly so, or anything that looks like one at all."""
    if draw(st.integers(0, 5)) == 0:
        return draw(RAW).replace(",", delimiter)
    cells, ends = draw(st.lists(CELL, min_size=1, max_size=5)), [draw(st.sampled_from(LINE_ENDS))]
    if draw(st.booleans()):
        ends += LINE_ENDS[:5]
    rows = draw(
        st.lists(st.lists(st.sampled_from(cells), min_size=columns, max_size=columns), max_size=8)
    )
    if rows and draw(st.integers(0, 5)) == 0:
        rows[-1].append("1")
    broken = [delimiter.join(row) + draw(st.sampled_from(ends)) for row in rows]
    text = draw(START) + "".join(broken)
    return text[: len(text) - draw(st.integers(0, 2))]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Table, bytes, str, int]:
    columns = draw(st.integers(1, 3))
    names = [f"c{n}" for n in range(columns)]
    encoding = draw(st.sampled_from(ENCODINGS))
    layout = Layout(
        delimiter=draw(st.sampled_from(",,,;\t \x0b\x1f|:_(#~")),
        encoding=encoding,
        header=draw(st.booleans()),
        na_values=draw(st.sampled_from([[""], ["", "a"], ["1_0", "inf", "0x10", "5"], []])),
    )
    numbers = names[: draw(st.integers(0, columns))][:: draw(st.sampled_from([1, -1]))]
    required = draw(st.sampled_from([[], numbers, numbers[:1]]))
    data = draw(texts(layout.delimiter, columns)).encode(encoding, "ignore")
    text = data.decode(encoding).removeprefix("\ufeff")
    of = Table(
        Path("table.csv"), layout, names[:: draw(st.sampled_from([1, -1]))], numbers, required
    )
    return of, data, text, draw(st.sampled_from([1, 2, 3, 7, 20, 2**21]))


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(case=cases())
def test_every_cell_is_that_of_the_csv_module_or_the_table_is_refused(tmp_path, monkeypatch, case):
    of, data, text, block_bytes = case
    monkeypatch.chdir(tmp_path)
    of.path.write_bytes(data)
    with mock.patch.object(reader, "BLOCK_BYTES", block_bytes):
        try:
            lines, sources, rows = expected_cells(of, text)
        except ValueError as fault:
            event(f"refused: {fault}"[:30])
            with pytest.raises(UserError, match=r"^table\.csv: ") as raised:
                read_cells(of)
            assert "cannot be read" not in str(raised.value)
            return
        event("read")
        written, found = read_cells(of)
    assert found == rows
    mark = of.layout.delimiter
    added = mark.join(['"p\nq"', "0.75", "0.25"]) + "\n"
    assert written == [source + mark + added for source in sources]
    assert [of.line(index) for index in range(len(rows))] == lines
