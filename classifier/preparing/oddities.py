"""What is odd about a table but may be intended: a line says so, and the table is prepared."""

import re
import string
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice, product
from typing import Literal, NamedTuple
from unicodedata import normalize

import numpy as np
import numpy.typing as npt

from classifier.base.errors import listed, quoted, shown
from classifier.preparing.belonging import belonging_columns
from classifier.preparing.columns import Columns
from classifier.preparing.holdout import ClassCounts
from classifier.preparing.numbering import (
    ORDERS,
    is_dense,
    numbering_columns,
    read_exactly,
    way_of_following,
)
from classifier.preparing.storing import OWN, StoredRows
from classifier.table.cells import WORDS_FOR_GAPS, are_positions, as_read, counted
from classifier.table.csv_text import first_row
from classifier.table.notation import Dates, Notation
from classifier.table.reader import OPEN_QUOTE
from classifier.table.schema import MISSING

MANY = 10  # rows from which on it is no accident that a class has one
GROUPED, UNGROUPED = re.compile(r"-?\d{1,3}\.\d{3}"), re.compile(r"-?\d{1,3}")
LOOKED_AT = 10_000  # rows whose text shows how numbers are written
DIGITS = re.compile(r"\d+([.,]\d+)*")
FEW_WORDS = 4  # values of a column for each way in which a number stands in it
FEW_VALUES, REPEATED = 10, 3  # different ones; rows
WILD, FAR_FROM_FEW = 50, 10  # times as far from others as they span
AT_AN_END = 3  # numbers that may mean no value: "refused", "does not know", "no answer"
NINES = re.compile(r"-?9+([.,][09]+)?")
DELIMITERS = ",;\t|"
MERGED = 0.9  # of the values


class Oddity(NamedTuple):
    """What was seen in a table, and what to do if it is not intended."""

    seen: str
    advice: str = "is that intended?"
    level: Literal["warning", "note"] = "warning"

    def __str__(self) -> str:
        return f"{self.seen}; {self.advice}"


def oddities(columns: Columns, rows: StoredRows) -> Iterator[Oddity]:
    """Yield what in a table is rarely intended."""
    yield from odd_header(columns, rows)
    yield from odd_encoding(columns, rows)
    yield from (Oddity(seen, OPEN_QUOTE) for seen in columns.table.merged)
    yield from odd_cuts(columns, rows)
    yield from odd_gaps(rows)
    yield from odd_thousands(columns, rows)
    yield from odd_extremes(columns, rows)
    yield from odd_tiny(columns, rows)
    yield from odd_numbers(columns, rows)
    yield from merged_numbers(columns, rows)
    yield from odd_values(rows)
    yield from odd_rows(columns, rows)
    yield from odd_features(columns, rows)
    yield from odd_order(columns, rows)
    yield from odd_groups(columns, rows)


def rarities(
    columns: Columns, rows: StoredRows, splits: dict[str, ClassCounts]
) -> Iterator[Oddity]:
    """Yield which rows are left out, and what classes are gone or of one row.

    splits: the rows of each class in each split.
    """
    counts = sum((Counter(split) for split in splits.values()), Counter[str]())
    kept, label = sum(counts.values()), shown(columns.label)
    if left_out := len(rows.labels) - kept:
        seen = f"rows with gaps left out: {left_out:,} of {kept + left_out:,}"
        yield Oddity(seen, "prepare.missing: impute fills gaps", level="note")
    gone = [name for name in rows.vocabularies[columns.label].places if name not in counts]
    if gone:
        yield Oddity(
            f"column {label}: no rows are left of {listed(gone)}", "see prepare.missing", "note"
        )
    alone = [name for name, count in counts.items() if count == 1]
    if len(alone) == len(counts) >= MANY:
        seen = f"column {label}: each row has a class of its own"
        yield Oddity(seen, "is this the column to predict?")
    elif alone and kept >= MANY * len(counts):
        yield Oddity(f"column {label}: classes with only one row: {listed(alone)}", level="note")


def odd_header(columns: Columns, rows: StoredRows) -> Iterator[Oddity]:
    """Yield whether the first row may be a header that is read as a row, or the reverse."""
    table, is_header = columns.table, "if it is a header, set prepare.header: true"
    if table.layout.header:
        are_cells = [table.value(name, name) is not None for name in table.numbers]
        if table.numbers and all(are_cells) and not are_positions(table.names):
            such = f"such as {table.numbers[0]}"
            seen = f"row 1: is read as a header, but its names could be values, {such}"
            yield Oddity(seen, "if it is not a header, set prepare.header: false")
    elif are_positions(first_row(table.path, table.layout)):
        yield Oddity("row 1: only numbers the columns", is_header)
    elif table.numbers or rows.labels[0] == MISSING:
        return
    elif np.count_nonzero(rows.labels == rows.labels[0]) == 1:
        name = shown(next(iter(rows.vocabularies[columns.label].places)))
        yield Oddity(f"row 1: no other row has its class, {name}", is_header)


def odd_encoding(columns: Columns, rows: StoredRows) -> Iterator[Oddity]:
    """Yield whether the text looks as UTF-8 does that is read as something else: Ã¶ for ö."""
    encoding, letters = columns.table.layout.encoding, string.ascii_letters
    if encoding.startswith("utf") or letters.encode(encoding) != letters.encode():
        return
    for value in (value for each in rows.vocabularies.values() for value in each.places):
        with suppress(UnicodeError):
            of_bytes = not value.isascii() and len(value.encode(encoding)) == len(value)
            if of_bytes and value.encode(encoding).decode() != value:
                meant = quoted(value.encode(encoding).decode())
                seen = f"{quoted(value)} may be a misread {meant}"
                yield Oddity(seen, "should prepare.encoding be utf-8?")
                return


def odd_cuts(columns: Columns, rows: StoredRows) -> Iterator[Oddity]:
    """Yield whether each class has a delimiter, as if two cells were one."""
    classes = rows.vocabularies[columns.label].places
    for other in DELIMITERS.replace(columns.table.layout.delimiter, ""):
        if all(other in name for name in classes):
            seen = f"column {shown(columns.label)}: every class contains {quoted(other)}"
            yield Oddity(seen, "is that the delimiter?")


def odd_gaps(rows: StoredRows) -> Iterator[Oddity]:
    """Yield the columns in which a word stands that elsewhere stands for no value."""
    for column, vocabulary in rows.vocabularies.items():
        words = [value for value in vocabulary.places if value.casefold() in WORDS_FOR_GAPS]
        if words:
            seen = f"column {shown(column)}: {listed(words)} may mean no value"
            yield Oddity(seen, "see prepare.na_values")


def odd_numbers(columns: Columns, rows: StoredRows) -> Iterator[Oddity]:
    """Yield the columns of text that are dates, or numbers but for a unit."""
    for name in (name for name in columns.texts if name not in columns.told):
        values = list(rows.vocabularies[name].places)
        around = {DIGITS.sub("0", value) for value in values}
        if (
            len(values) >= MANY
            and "0" in "".join(around)
            and len(around) <= len(values) / FEW_WORDS
        ):
            yield Oddity(
                f"column {shown(name)}: {quoted(values[0])} and {len(values) - 1:,} more look like "
                "numbers or dates, but are read as categories",
                "for text, see prepare.text; otherwise prepare.dates and prepare.numbers",
            )


class FarNumber(NamedTuple):
    """A number that is far from all others: its column, and how many times their span away.

    may_be_gap: whether it looks like a code for no value; is_of_few: whether its column has few
    numbers, which may well be far apart.
    """

    column: int
    value: float
    times: float
    may_be_gap: bool
    is_of_few: bool


def odd_extremes(columns: Columns, rows: StoredRows) -> Iterator[Oddity]:
    """Yield the numbers that may mean no value, as -999 does, or are far too large or small."""
    table = columns.table
    looked_at = np.concatenate([rows.sample(LOOKED_AT), rows.extremes]).astype(float)
    found = [
        far
        for at, name in enumerate(table.numbers)
        for far in far_of_column(at, looked_at[:, at], table.notation(name))
    ]
    counts = rows.counts([(far.column, far.value) for far in found]).tolist()
    for far, count in zip(found, counts, strict=True):
        if advice := advice_on_far(far, count):
            name = table.numbers[far.column]
            seen = f"column {shown(name)}: {table.notation(name).text(far.value)} stands in "
            yield Oddity(f"{seen}{counted(count, 'row')}, far from all others", advice)


def far_of_column(
    at: int, looked_at: npt.NDArray[np.float64], notation: Notation
) -> Iterator[FarNumber]:
    """Yield the far numbers of a column; 997 and 998 are codes where 999 is one."""
    numbers = np.unique(looked_at[~np.isnan(looked_at)])
    found, is_of_few = far_numbers(numbers), len(numbers) <= FEW_VALUES
    are_codes = any(NINES.fullmatch(notation.text(value)) for value, _ in found)
    are_codes |= isinstance(notation, Dates) and not is_of_few
    for value, times in found:
        may_be_gap = are_codes or (value < 0 and not is_of_few)
        yield FarNumber(at, value, times, may_be_gap, is_of_few)


def advice_on_far(far: FarNumber, count: int) -> str:
    """Return what to do about a number that stands in so many rows, an empty text if nothing."""
    if far.may_be_gap and count >= REPEATED and far.times >= FAR_FROM_FEW * far.is_of_few:
        return "if it means no value, see prepare.na_values"
    is_wild = far.times > WILD and not far.is_of_few
    return "one such number can ruin the model; is it right?" * is_wild


def odd_tiny(columns: Columns, rows: StoredRows) -> Iterator[Oddity]:
    """Yield the columns of numbers that are 0 to a network: below what float32 keeps in full."""
    largest = np.abs(rows.extremes).max(axis=0)
    for name, size in zip(columns.table.numbers, largest, strict=True):
        if 0 < size < np.finfo(np.float32).tiny:
            seen = f"column {shown(name)}: its numbers are below {np.finfo(np.float32).tiny:.2g}"
            yield Oddity(f"{seen}, which training takes for 0", "use another unit")


def far_numbers(numbers: npt.NDArray[np.float64]) -> list[tuple[float, float]]:
    """Return the numbers at the ends that are farther from all others than those span.

    Each with how many times their span it is from them. At most AT_AN_END at either end: those that
    mean no value may be near each other, or one above and one below all others.

    numbers: those that occur, in order.
    """
    ends = product(range(AT_AN_END + 1), repeat=2)
    for low, high in sorted(ends, key=sum, reverse=True)[:-1]:
        others = numbers[low : len(numbers) - high]
        if len(others) < max(2, len(numbers) / 2):
            continue
        far = np.concatenate([numbers[:low], numbers[len(numbers) - high :]])
        times = np.maximum(others[0] - far, far - others[-1]) / np.ptp(others)
        if times.min() > 1:
            return [*zip(far.tolist(), times.tolist(), strict=True)]
    return []


def odd_thousands(columns: Columns, rows: StoredRows) -> Iterator[Oddity]:
    """Yield the columns in which 2.821 may be larger than 980, or 1.500 than 50.

    What writes 50 without decimals would write 1.5; beside 50 alone, 2.821 may well be a decimal.
    """
    table, sample = columns.table, rows.sample(LOOKED_AT)
    pairs = [*zip(table.numbers, sample.T, strict=True)]
    places = {name: table.names.index(name) for name, column in pairs if may_be_thousands(column)}
    places = {name: at for name, at in places.items() if name not in table.notations}
    whole, grouped = dict[str, str](), dict[str, str]()
    with_points = {name for name, column in pairs if (column % 1 > 0).any()}
    until, rows_of_text = LOOKED_AT, islice(table.rows() if places else (), table.rows_to_explain)
    for number, (_, row) in enumerate(rows_of_text):
        # In a table that is sorted, the first point may stand far below.
        if number >= until and not with_points & places.keys() - grouped.keys():
            break
        for name, at in [*places.items()]:
            cell = row[at].strip()
            if GROUPED.fullmatch(cell):
                until = until if name in grouped else max(until, number + LOOKED_AT)
                grouped[name] = max(grouped.get(name, cell), cell, key=ends_in_zero)
            elif UNGROUPED.fullmatch(cell):
                whole[name] = max(cell, whole.get(name, ""), key=len)
            elif not table.layout.is_missing_number(cell):
                del places[name]
    for name in (name for name in places if name in grouped and name in whole):
        if len(whole[name].strip("-")) < 3 and not ends_in_zero(grouped[name]):
            continue
        yield Oddity(
            f"column {shown(name)}: next to {quoted(whole[name])}, the point in "
            f"{quoted(grouped[name])} may separate thousands",
            'if so, list it in prepare.numbers as "1.234,5"',
        )


def ends_in_zero(cell: str) -> bool:
    return cell.endswith("0")


def may_be_thousands(column: npt.NDArray[np.float32]) -> bool:
    """Return whether numbers have three digits, or three behind a point as thousands have.

    Those of round thousands, 2.000, are whole numbers: only the text tells them from 2.
    """
    sizes = np.abs(column[~np.isnan(column)].astype(float))
    whole, thousandths = sizes % 1 == 0, sizes * 1000 % 1
    is_grouped = ~whole & (sizes >= 1) & (np.minimum(thousandths, 1 - thousandths) < 0.1)
    return bool((whole | is_grouped).all() and (sizes < 1000).all())


def merged_numbers(columns: Columns, rows: StoredRows) -> Iterator[Oddity]:
    """Yield the columns whose values float32 takes for clearly fewer numbers than they are."""
    table = columns.table
    dense = [at for at, column in enumerate(rows.sample(LOOKED_AT).T) if is_dense(column)]
    for at, exact in zip(dense, read_exactly(table, dense), strict=True):
        values = np.unique(exact[~np.isnan(exact)])
        left = len(np.unique(values.astype(np.float32)))
        if left < MERGED * len(values):
            seen = f"column {shown(table.numbers[at])}: float32 makes {left:,} numbers of "
            of_first = f" in the first {LOOKED_AT:,} rows" if len(exact) == LOOKED_AT else ""
            yield Oddity(
                f"{seen}{len(values):,} values{of_first}",
                "rows that differ by less count as duplicates; another unit or offset tells more",
            )


def odd_values(rows: StoredRows) -> Iterator[Oddity]:
    """Yield the columns of which people would take two values for one, the label among them."""
    for column, vocabulary in rows.vocabularies.items():
        first: dict[str, str] = {}
        pairs = [(first.setdefault(as_read(value), value), value) for value in vocabulary.places]
        same = [pair for pair in pairs if pair[0] != pair[1]]
        if same:
            more = f" (and {counted(len(same) - 1, 'more such pair')})" if len(same) > 1 else ""
            pair = " and ".join(told_apart(*same[0]))
            seen = f"column {shown(column)}: {pair} count as two values{more}"
            yield Oddity(seen, "if they mean the same, write them the same way")


def odd_rows(columns: Columns, rows: StoredRows) -> Iterator[Oddity]:
    """Yield how many rows are kept that have no value in any feature, if there are any."""
    required = columns.table.required
    empty, are_filled = 0, columns.label in required and not {*columns.features} & {*required}
    for block in rows.blocks() if are_filled else ():
        features = rows.features[block]
        has_number = ~np.isnan(features.numbers).all(axis=1)
        has_text = (features.codes != MISSING).any(axis=1)
        empty += int((~has_number & ~has_text).sum())
    if empty:
        yield Oddity(f"{counted(empty, 'row')} with no value in any feature", level="note")


def told_apart(one: str, other: str) -> list[str]:
    """Return the two in quotes, by the numbers of their characters where they look the same."""
    look_the_same = normalize("NFC", one) == normalize("NFC", other)
    return [ascii(each) if look_the_same else quoted(each) for each in (one, other)]


def odd_features(columns: Columns, rows: StoredRows) -> Iterator[Oddity]:
    """Yield the features that may number the rows: in a sorted table they tell the class."""
    numbering = numbering_columns(columns.table, rows)
    for name, notation in columns.table.notations.items():
        if isinstance(notation, Dates) and notation.parts and name not in columns.features:
            asked = " and ".join(notation.parts)
            seen = f"column {shown(name)}: prepare.dates asks for {asked}, but it is no input"
            yield Oddity(seen, "name it in prepare.features if it should be")
    names, texts = columns.table.names, {*columns.texts}
    has_names = columns.table.layout.header and not are_positions(names)
    unnamed = {
        name
        for at, name in enumerate(names)
        if has_names and (name == str(at) or name.startswith("Unnamed: "))  # as pandas calls it
    }
    for name in columns.features:
        if name == columns.time:
            continue
        advice = "if it only identifies the row, add it to prepare.exclude"
        if name in numbering:
            why = numbering[name]
            advice += "; if it is a time, see prepare.time" if why in ORDERS else ""
        elif name in texts and len(rows.vocabularies[name].places) >= OWN * len(rows.labels):
            why = "almost every value is unique"
        elif name in unnamed:
            why = "has no name"
        else:
            continue
        if isinstance(columns.table.notation(name), Dates):
            advice = "if the rows follow each other in time, see prepare.time"
        yield Oddity(f"column {shown(name)}: {why}", advice)


def odd_order(columns: Columns, rows: StoredRows) -> Iterator[Oddity]:
    """Yield the columns that are left out and by which rows may follow each other in time."""
    if columns.time:
        return
    used = {*columns.features, columns.label, columns.group}
    for name, values in rows.some.cells.items():
        if name not in used and (way := way_of_following(values)):
            seen = f"column {shown(name)}: is left out, but {way}"
            advice = "if the rows follow each other in time, see prepare.time"
            yield Oddity(seen, advice, level="note")


def odd_groups(columns: Columns, rows: StoredRows) -> Iterator[Oddity]:
    """Yield whether no rows belong together, or the columns that may say which do."""
    if columns.group and len(rows.vocabularies[columns.group].places) == len(rows.labels):
        seen = f"column {shown(columns.group)}: each row is a group of its own"
        yield Oddity(seen, "is this the column for prepare.group?")
    for name, why in belonging_columns(columns, rows):
        seen = f"column {shown(name)}: {why}"
        yield Oddity(seen, "if it names what rows are of, as patients, set prepare.group")
