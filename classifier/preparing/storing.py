"""A table read once, in chunks, into arrays on disk, its categories and classes learned."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.base.errors import UserError, quoted
from classifier.preparing.columns import ADVICE, Columns
from classifier.rows.dataset import ArrayWriter, open_array
from classifier.table.cells import is_meant_as_number
from classifier.table.problems import Problem, Problems, TableError
from classifier.table.reader import Chunk, Table
from classifier.table.schema import MISSING, Rows, Vocabulary

MANY, OWN = 10, 0.9  # rows of which a column of text has so many different values names the rows
MOST_WORDS = 3  # that may stand for no value in a column of numbers
SHOWN, TOGETHER = 10_000, 100  # rows that are kept as text, so many of them side by side
PIECES = 100  # of a table, each of rows that stand together, which some show
FOLDED = 64  # rows that are reduced as one line
BLOCK_CELLS = 2_000_000  # of the arrays on disk that are in memory at a time


class SomeRows:
    """What some rows of each part of a table have in each column, as text, and their numbers.

    Rows that stand together, as those of one patient may, and from everywhere, as a table may be
    sorted. Gaps are empty.
    """

    def __init__(self, table: Table) -> None:
        self.table, self.size = table, max(1, table.path.stat().st_size)
        self.wanted = min(SHOWN, table.rows_to_explain)
        self.numbers: list[int] = []
        self.cells: dict[str, list[str]] = {name: [] for name in table.names}

    def add(self, chunk: Chunk) -> None:
        """Take in some rows of a chunk, in proportion to how much of the table it is."""
        wanted = min(len(chunk), -(-self.wanted * len(chunk.lines) // self.size))
        each = min(TOGETHER, wanted)
        starts = np.linspace(0, len(chunk) - each, -(-wanted // max(1, each))).astype(int)
        rows = np.unique(starts[:, None] + np.arange(each))
        self.numbers += (chunk.start + rows).tolist()
        is_missing = self.table.layout.is_missing
        for name, cells in chunk.texts.items():
            found = cells.categories.take(cells.codes[rows])
            self.cells[name] += ["" if is_missing(cell) else cell.strip() for cell in found]
        for at, name in enumerate(self.table.numbers):
            if name not in chunk.texts:
                numbers = chunk.numbers[rows, at].tolist()
                self.cells[name] += ["" if each != each else f"{each:.9g}" for each in numbers]


@dataclass(frozen=True)
class StoredRows:
    """The rows of a table in files in a folder, and what the codes of their texts and groups mean.

    some: what some of them have, as text.

    Files are mapped anew for each use: what is read through a map counts as memory until it goes.
    """

    folder: Path
    vocabularies: dict[str, Vocabulary]
    some: SomeRows

    @property
    def features(self) -> Rows:
        return Rows(open_array(self.folder / "numbers.npy"), open_array(self.folder / "codes.npy"))

    @property
    def groups(self) -> npt.NDArray[np.float64] | None:
        """What says which rows belong together, or their times, (rows,), NaN for gaps; if any."""
        path = self.folder / "groups.npy"
        return open_array(path)[:, 0] if path.exists() else None

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """The codes of the labels, (rows,) int32."""
        labels: npt.NDArray[np.int32] = open_array(self.folder / "labels.npy")[:, 0]
        return labels

    def blocks(self) -> Iterator[slice]:
        """Yield slices over all rows, each of no more than fits in memory."""
        features, rows = self.features, len(self.labels)
        step = max(1, BLOCK_CELLS // (features.numbers.shape[1] + features.codes.shape[1] + 1))
        return (slice(at, at + step) for at in range(0, rows, step))

    def sample(self, wanted: int) -> npt.NDArray[np.float32]:
        """Return the numbers of about so many rows, some from each part of the table."""
        numbers, each = self.features.numbers, -(-wanted // PIECES)
        if len(numbers) <= wanted:
            return numbers[:]
        starts = np.linspace(0, len(numbers) - each, PIECES).astype(int)
        return np.concatenate([numbers[at : at + each] for at in starts])

    @cached_property
    def extremes(self) -> npt.NDArray[np.float32]:
        """Return the lowest and the highest number of each column, (2, numbers); NaN of none."""
        lowest, highest = np.full((2, self.features.numbers.shape[1]), np.nan, np.float32)
        for block in self.blocks():
            numbers = self.features.numbers[block]
            lowest = np.fmin(lowest, reduced(np.fmin, numbers))
            highest = np.fmax(highest, reduced(np.fmax, numbers))
        return np.stack([lowest, highest])

    def counts(self, wanted: Sequence[tuple[int, float]]) -> npt.NDArray[np.intp]:
        """Return how many rows have each number in its column, counted from 0; (wanted,)."""
        found = np.zeros(len(wanted), np.intp)
        for block in self.blocks() if wanted else ():
            numbers = self.features.numbers[block]
            found += [np.count_nonzero(numbers[:, at] == np.float32(n)) for at, n in wanted]
        return found

    def complete(self, block: slice) -> npt.NDArray[np.bool_]:
        """Return which rows of the block have no gap."""
        labelled: npt.NDArray[np.bool_] = self.labels[block] != MISSING
        if (groups := self.groups) is not None:
            labelled &= ~np.isnan(groups[block])
        return self.features[block].complete() & labelled


def store_rows(columns: Columns, max_categories: int, folder: Path) -> StoredRows:
    """Read the table once, learn its categories and classes, and store its rows in `folder`.

    Raises:
        UserError: something is wrong with rows, or with the values of columns of text.
    """
    vocabularies = {
        name: Vocabulary(columns.table.layout) for name in [*columns.texts, columns.label]
    }
    groups, some = Vocabulary(columns.table.layout), SomeRows(columns.table)
    try:
        rows = write_rows(columns, vocabularies, groups, some, max_categories, folder)
        values = {name: [*vocabulary.places] for name, vocabulary in vocabularies.items()}
        refuse(columns, text_problems(columns, values, rows, max_categories))
    except TableError as error:
        raise TableError(all_problems(columns, error.problems, max_categories)) from error
    vocabularies |= {columns.group: groups} if columns.group else {}
    return StoredRows(folder, vocabularies, some)


def write_rows(
    columns: Columns,
    vocabularies: dict[str, Vocabulary],
    known_groups: Vocabulary,
    some: SomeRows,
    max_categories: int,
    folder: Path,
) -> int:
    """Write the rows of a table as arrays, while the vocabularies learn; return how many."""
    with ExitStack() as stack:

        def writer(name: str, width: int, dtype: npt.DTypeLike) -> ArrayWriter:
            return stack.enter_context(ArrayWriter(folder / f"{name}.npy", width, dtype))

        numbers = writer("numbers", len(columns.table.numbers), np.float32)
        codes = writer("codes", len(columns.texts), np.int32)
        labels = writer("labels", 1, np.int32)
        groups = writer("groups", 1, np.float64) if columns.group or columns.time else None
        for chunk in columns.table.chunks("prepare"):
            coded = learn_codes(columns, vocabularies, chunk)
            many = (n for n, each in vocabularies.items() if len(each.places) > max_categories)
            refuse(columns, ((name, too_many(columns, name, max_categories)) for name in many))
            some.add(chunk)
            numbers.append(chunk.numbers)
            codes.append(coded[:, :-1])
            labels.append(coded[:, -1:])
            if groups:
                groups.append(groups_of_rows(columns, known_groups, chunk)[:, None])
        return labels.rows


def groups_of_rows(columns: Columns, known: Vocabulary, chunk: Chunk) -> npt.NDArray[np.float64]:
    """Return the numbers of the groups of a chunk's rows, or their times, NaN for gaps, (rows,).

    known: the groups so far; those that are new are added.

    Raises:
        TableError: a cell has no value where it must, or is no time.
    """
    if columns.time:
        name, found = columns.time, columns.table.exact_numbers(chunk, columns.time)
    else:
        name = str(columns.group)
        known.learn(chunk.texts[name])
        codes = known.codes(chunk.texts[name])
        found = np.where(codes == MISSING, np.nan, codes)
    if name in columns.table.required and np.isnan(found).any():
        columns.table.explain()
    return found


def refuse(columns: Columns, wrong: Iterable[tuple[str, str]]) -> None:
    """Raise `TableError` if there is something wrong: the names of columns, and what."""
    problems = Problems(columns.table.path)
    for name, what in wrong:
        problems.add(name, what)
    if problems.of_columns:
        raise TableError(problems)


def text_problems(
    columns: Columns, values: Mapping[str, Collection[str]], rows: int, max_categories: int
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with columns of text by their values, the label among them."""
    for name, found in values.items():
        if len(found) > max_categories:
            yield name, too_many(columns, name, max_categories)
        elif name == columns.label or name in columns.told:
            continue
        elif name_the_rows(found, rows):
            what = f"has {len(found):,} different values in {rows:,} rows; if it names the rows, "
            what += "prepare.exclude leaves it out; if it is text, see prepare.text"
            yield name, what
        elif words := words_for_gaps(found):
            named = ", ".join(map(quoted, words))
            yield name, f"has numbers except for {named}, which most rows have{ADVICE}"


def name_the_rows(values: Collection[str], rows: int) -> bool:
    """Return whether almost every row has a value of its own."""
    return rows >= MANY and len(values) >= OWN * rows


def too_many(columns: Columns, name: str, max_categories: int) -> str:
    advice = "if it names the rows, prepare.exclude leaves it out"
    if name == columns.label:
        advice = "is this the column to predict (prepare.label)?"
    return f"has more than {max_categories} different values (prepare.max_categories); {advice}"


def words_for_gaps(values: Collection[str]) -> list[str]:
    """Return the words in a column of text that is many numbers and few words, as N/A and - are."""
    words = [value for value in values if not is_meant_as_number(value)]
    return words if len(words) <= MOST_WORDS and len(values) - len(words) > len(words) else []


def all_problems(columns: Columns, known: Problems, max_categories: int) -> Problems:
    """Return what is wrong with each column, by the first rows where it is not known."""
    table = columns.table
    values, rows = first_values(columns)
    found = Problems(table.path)
    for name, what in text_problems(columns, values, rows, max_categories):
        found.add(name, what)
    cells: dict[str, Problem] = {}
    with suppress(UserError):  # that the text cannot be read
        cells = table.problems(table.rows_to_explain).of_columns
    every = found.of_columns | cells | known.of_columns
    found.of_columns = {name: every[name] for name in ["", *table.names] if name in every}
    return found


def first_values(columns: Columns) -> tuple[dict[str, dict[str, None]], int]:
    """Return the different values of the columns of text in the first rows, and how many rows."""
    table, rows = columns.table, 0
    places = {name: table.names.index(name) for name in [*columns.texts, columns.label]}
    values: dict[str, dict[str, None]] = {name: {} for name in places}
    with suppress(UserError):  # that the text cannot be read
        for _, row in islice(table.rows(), table.rows_to_explain):
            rows += 1
            for name, at in places.items():
                if at < len(row) and not table.layout.is_missing(row[at]):
                    values[name].setdefault(row[at].strip())
    return values, rows


def learn_codes(
    columns: Columns, vocabularies: dict[str, Vocabulary], chunk: Chunk
) -> npt.NDArray[np.int32]:
    """Return the codes of the chunk's text columns, the label last; new values get new codes.

    Raises:
        TableError: a value is missing that is required.
    """
    codes = np.empty((len(chunk), len(vocabularies)), np.int32)
    required = set(columns.table.required)
    for place, (name, vocabulary) in enumerate(vocabularies.items()):
        vocabulary.learn(chunk.texts[name])
        codes[:, place] = vocabulary.codes(chunk.texts[name])
        if name in required and (codes[:, place] == MISSING).any():
            columns.table.explain()
    return codes


def reduced(function: np.ufunc, numbers: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return what a function that takes two numbers makes of each column; NaN of no numbers."""
    lines, width = len(numbers) // FOLDED, numbers.shape[1]  # NumPy is slow on many short lines
    folded = numbers[: lines * FOLDED].reshape(lines, FOLDED * width)
    of_lines = function.reduce(folded, axis=0, initial=np.nan).reshape(FOLDED, width)
    of_all = np.concatenate([of_lines, numbers[lines * FOLDED :]])
    result: npt.NDArray[np.float32] = function.reduce(of_all, axis=0, initial=np.nan)
    return result
