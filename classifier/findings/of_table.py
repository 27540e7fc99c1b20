"""What in a table makes a model look better than it is, or makes it worse."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.base.errors import listed, shown
from classifier.findings.finding import Finding, Level
from classifier.rows.dataset import Dataset, some_rows
from classifier.rows.groups import UNKNOWN_GROUP, Groups
from classifier.scoring.repeated import count_like_others
from classifier.table.reader import OPEN_QUOTE
from classifier.table.schema import NO_ACCIDENT, Feature, NumberFeature, Schema

FREQUENT = 0.8  # of the rows in one class
RANGES = 1_000  # times as wide as another
TELLS_ALL = 0.99  # of the rows, of which one column tells the class
OTHERS = 10  # rows of other classes, of which a column that tells nothing would have a value
LEFT = 0.1  # of what the most frequent class does not tell
ROWS = 10_000  # that show what a column tells
OF_KNOWN = ", where it has a value ({0:.1%} of rows),"
OF_REPEATED = ", where its values repeat ({0:.1%} of rows),"
OF_SAMPLE = ", where its values repeat in a sample of {1:,} rows,"  # in all, more do
# That numbers are cut into: few where chance plays a part, many for sharp bounds.
BINS = (64, 1_000)
MANY, HALF = 0.05, 0.5  # of the rows
OUTSIDE, SOME = 0.05, 2  # of the rows of a test set, or so many of few


def of_table(
    schema: Schema, train: Dataset, oddities: Sequence[Mapping[str, Any]], is_scaled: bool
) -> Iterator[Finding]:
    """Yield what there is to say of the rows trained on.

    oddities: what prepare has said of the table.
    """
    for oddity in oddities:
        yield Finding(about="table", **oddity)
    yield from of_columns(schema, train, is_scaled)
    yield from of_classes(schema)
    yield from of_rows(train)
    yield from of_leaks(schema, train)


def of_columns(schema: Schema, train: Dataset, is_scaled: bool) -> Iterator[Finding]:
    """Yield columns that say nothing, and columns that drown the others."""
    starts = zip(schema.features, schema.first_inputs, strict=False)  # which has the end too
    constant = [
        feature.name
        for feature, place in starts
        if is_constant(feature) and not np.isnan(train.features[:, place]).any()
    ]
    if constant:
        seen = f"the same value in every training row: {listed(constant)}"
        yield Finding("note", "table", seen, "prepare.exclude can leave such columns out")
    spans = {one.name: one.highest - one.lowest for one in schema.numbers if not is_constant(one)}
    spans |= {text.name: 1.0 for text in schema.texts if not is_constant(text)}  # inputs 0 and 1
    if spans and not is_scaled:
        narrow, wide = min(spans, key=spans.__getitem__), max(spans, key=spans.__getitem__)
        if spans[wide] > RANGES * spans[narrow]:
            seen = (
                f"{shown(wide)} spans {spans[wide]:,.6g}, {shown(narrow)} only "
                f"{spans[narrow]:,.6g}: a network hardly notices the narrower one"
            )
            yield Finding("warning", "table", seen, "set train.scale: standard")


def is_constant(feature: Feature) -> bool:
    if isinstance(feature, NumberFeature):
        return feature.lowest == feature.highest
    return len(feature.categories) == 1


def of_classes(schema: Schema) -> Iterator[Finding]:
    """Yield whether one class has most of the rows."""
    counts = schema.counts["train"]
    name, rows = max(counts.items(), key=lambda pair: pair[1])
    share = rows / sum(counts.values())
    if share >= FREQUENT:
        seen = f"{share:.1%} of the rows are {shown(name)}: accuracy says little"
        advice = "look at macro F1, balanced accuracy and each class; see train.class_weight"
        yield Finding("warning", "table", seen, advice)


def of_rows(train: Dataset) -> Iterator[Finding]:
    """Yield rows that are duplicates, and those that contradict each other."""
    copies, contradictory = count_like_others(train)
    if copies:
        seen = f"{copies:,} of {len(train):,} rows are duplicates"
        advice = "remove any that are copies: models may be tested on rows they were trained on"
        yield Finding(level_of(copies, train), "table", seen, advice)
    if contradictory:
        seen = (
            f"{contradictory:,} of {len(train):,} rows have the same features as a row of "
            "another class"
        )
        advice = "no model gets all of them right; is a column missing?"
        yield Finding(level_of(contradictory, train), "table", seen, advice)


def level_of(rows: int, data: Dataset) -> Level:
    return "warning" if rows > MANY * len(data) else "note"


def of_leaks(schema: Schema, train: Dataset) -> Iterator[Finding]:
    """Yield the columns of which each alone tells the class of almost every row."""
    rows = some_rows(len(train), ROWS)
    features, labels = train.take(rows)
    classes = labels.argmax(axis=1)
    groups = train.groups and train.groups.take(rows)
    parts = halves(classes, groups)
    if not all(map(len, parts)):  # of one group
        return
    starts = schema.first_inputs
    for place, feature in enumerate(schema.features):
        widths = [1] * isinstance(feature, NumberFeature) + feature.one_hot_widths
        spans = pairwise(accumulate(widths, initial=starts[place]))
        are_told = [
            rows_told(features[:, slice(*span)], classes, parts, bins)
            for span, bins in product(spans, BINS)
        ]
        inputs = features[:, starts[place] : starts[place + 1]]
        yield from of_leak(feature, inputs, classes, are_told, groups, len(rows) < len(train))


def of_leak(
    feature: Feature,
    inputs: npt.NDArray[np.float32],
    classes: npt.NDArray[np.intp],
    are_told: list[npt.NDArray[np.bool_]],
    groups: Groups | None,
    is_sample: bool,
) -> Iterator[Finding]:
    """Yield whether a feature tells the class: of all rows, of those with a value, or one repeated.

    are_told: the rows that it tells, (rows,), in several ways; is_sample: whether there are more.
    """
    most, values = np.bincount(classes).max() / len(classes), values_of(feature, inputs)
    units = np.arange(len(classes)) if groups is None else groups.of_rows
    repeated = known = ~np.isnan(inputs[:, 0])
    if values is not None:
        repeated = known & (np.bincount(values)[values] > 1)
        are_told = are_told + [rows_told_by_others(values, classes)] * (groups is None)
    of_repeated = OF_SAMPLE if is_sample else OF_REPEATED
    for where, some in (("", known | True), (OF_KNOWN, known), (of_repeated, repeated)):
        told = max(float(rows[some].mean()) for rows in are_told) if some.any() else 0
        is_enough = some.all() or len(np.unique(units[some])) * (1 - most) >= OTHERS
        if is_enough and 1 - told <= min(1 - TELLS_ALL, LEFT * (1 - most)):
            of_rows = where.format(some.mean(), len(classes))
            seen = f"column {shown(feature.name)}{of_rows} alone predicts the "
            advice = "is it known before the class is? If not, add it to prepare.exclude"
            count, of_classes = count_values(feature, inputs[known, 0]), len(np.unique(classes))
            are_many = is_sample or 2 * repeated.sum() >= known.sum()
            if groups is None and of_classes < count and are_many:
                advice += "; if it names what rows are of, as patients, set prepare.group"
            yield Finding("warning", "table", f"{seen}class of {told:.1%} of rows", advice)
            return


def count_values(feature: Feature, numbers: npt.NDArray[np.float32]) -> int:
    """Return how many categories there are, or whole numbers; 0 if there are other numbers."""
    if not isinstance(feature, NumberFeature):
        return len(feature.categories)
    return 0 if (numbers % 1).any() else len(np.unique(numbers))


def halves(
    classes: npt.NDArray[np.intp], groups: Groups | None
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the numbers of the rows of each half: of rows, of groups, or the earlier and later."""
    rng = np.random.default_rng(0)
    if groups is None:  # drawn: in the table, every other row may be of one class, or a Sunday
        order = np.lexsort((rng.permutation(len(classes)), classes))
        return order[::2], order[1::2]
    _, places = np.unique(groups.of_rows, return_inverse=True)
    count = int(places.max()) + 1
    if not groups.in_time:
        places = rng.permutation(count)[places]
    return np.flatnonzero(places < count / 2), np.flatnonzero(places >= count / 2)


def rows_told(
    inputs: npt.NDArray[np.float32],
    classes: npt.NDArray[np.intp],
    parts: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]],
    most_bins: int,
) -> npt.NDArray[np.bool_]:
    """Return of which rows, (rows,), a feature tells the class, learned from the other half.

    inputs: (rows, columns), a column of numbers or one for each category; parts: the numbers of the
    rows of each half; most_bins: that numbers are cut into. Of a bin, the answer is its most
    frequent class.
    """
    right = np.zeros(len(classes), bool)
    for learned, tested in (parts, parts[::-1]):
        bins = binned(inputs, learned, most_bins)
        counts = np.zeros((bins.max() + 1, classes.max() + 1), np.intp)
        np.add.at(counts, (bins[learned], classes[learned]), 1)
        right[tested] = counts.argmax(axis=1)[bins[tested]] == classes[tested]
    return right


def rows_told_by_others(
    categories: npt.NDArray[np.intp], classes: npt.NDArray[np.intp]
) -> npt.NDArray[np.bool_]:
    """Return of which rows, (rows,), the others of their category have the class more than any.

    Where a category has few rows, hardly any are in the other half; and numbers of persons, of
    which there may be more than bins, are categories too.
    """
    counts = np.zeros((categories.max() + 1, classes.max() + 1), np.intp)
    np.add.at(counts, (categories, classes), 1)
    second, first = np.sort(counts, axis=1)[:, -2:].T
    own = counts[categories, classes]
    others = np.where(own == first[categories], second[categories], first[categories])
    return np.array(own - 1 > others)


def values_of(feature: Feature, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.intp] | None:
    """Return the place of each row's category or whole number, (rows,); None of other numbers."""
    if not isinstance(feature, NumberFeature):
        return categories_of(inputs)
    if not count_values(feature, inputs[~np.isnan(inputs[:, 0]), 0]):
        return None
    return np.unique(inputs[:, 0], return_inverse=True)[1]


def categories_of(inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """Return the place of each row's category, (rows,), that behind the last where it has none."""
    has_none = np.isnan(inputs[:, 0]) | ~inputs.any(axis=1)
    places: npt.NDArray[np.intp] = inputs.argmax(axis=1)
    places[has_none] = inputs.shape[1]
    return places


def binned(
    inputs: npt.NDArray[np.float32], learned: npt.NDArray[np.intp], most_bins: int
) -> npt.NDArray[Any]:
    """Return the bin of each row, (rows,): its category, or one that numbers are cut into.

    learned: the numbers of the rows of which each has as many, and none has none; gaps are in a bin
    of their own.
    """
    if inputs.shape[1] > 1:
        return categories_of(inputs)
    numbers = inputs[:, 0]
    known = numbers[learned][~np.isnan(numbers[learned])]
    edges = known
    if len(known):
        values = np.unique(known).astype(float)
        firsts = np.quantile(known, np.arange(1, most_bins) / most_bins, method="higher")
        places = np.searchsorted(values, np.unique(firsts[firsts > known.min()]))
        edges = (values[places - 1] + values[places]) / 2
    places = np.searchsorted(edges, numbers, side="right")
    return np.where(np.isnan(numbers), len(edges) + 1, places)


def of_another_set(
    schema: Schema, name: str, data: Dataset, repeated: int, are_later: bool = False
) -> Iterator[Finding]:
    """Yield what there is to say of the rows of a data set that is not the training data.

    repeated: how many are there, too; are_later: whether they were held out as they are the latest.
    """
    yield from of_repeated(name, repeated, data)
    yield from of_known_groups(name, data)
    yield from of_left_out(name, data)
    yield from of_copies(schema, name, data)
    for seen in data.merged:
        yield Finding("warning", "table", f"{shown(name)}: {seen}", OPEN_QUOTE)
    yield from of_other_rows(schema, name, data, are_later)


def of_groups(schema: Schema, train: Dataset) -> Iterator[Finding]:
    """Yield why models that are tested on some groups are not like the one of all of them."""
    if train.groups is None or train.groups.in_time:
        return
    share = train.groups.sizes().max() / len(train)
    if share > HALF:
        seen = f"one group has {share:.0%} of the rows: models that are tested on it know only the "
        advice = "accuracy on rows left out says little of the model that ships"
        yield Finding("warning", "table", f"{seen}other {1 - share:.0%}", advice)
    count = len(schema.classes)
    pairs = np.unique(train.groups.of_rows.astype(np.int64) * count + train.labels.argmax(axis=1))
    groups_of = zip(
        schema.counts["train"].items(), np.bincount(pairs % count, minlength=count), strict=True
    )
    if alone := [name for (name, rows), groups in groups_of if groups == 1 < rows]:
        seen = (
            f"all rows of {listed(alone)} are of one group: no model that is tested on them knows "
        )
        advice = "their recall on rows left out says nothing; it takes rows of more groups"
        yield Finding("warning", "table", f"{seen}such rows", advice)


def of_left_out(name: str, data: Dataset) -> Iterator[Finding]:
    """Yield how many rows of a test set are not evaluated since they have gaps."""
    if data.left_out:
        rows = len(data) + data.left_out
        level: Level = "warning" if data.left_out > MANY * rows else "note"
        seen = f"{shown(name)}: rows with gaps left out: {data.left_out:,} of {rows:,}"
        yield Finding(level, "table", seen, "prepare.missing: impute has the model fill gaps")


def of_copies(schema: Schema, name: str, data: Dataset) -> Iterator[Finding]:
    """Yield whether many rows of a test set are duplicates, be they of one group or not."""
    copies, _ = count_like_others(replace(data, groups=None))
    if copies > MANY * len(data):  # some of which may be so only to the model
        known = data.take(np.flatnonzero(~has_new_value(schema, data.features)))
        copies, _ = count_like_others(Dataset(*known, data.kinds)) if len(known[0]) else (0, 0)
    if copies > MANY * len(data):
        seen = f"{shown(name)}: {copies:,} of {len(data):,} rows are duplicates of each other"
        advice = "remove any that are copies: the interval takes each for a row of its own"
        yield Finding("warning", "table", seen, advice)


def has_new_value(schema: Schema, features: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Return which rows have a value that the training data does not have, (rows,)."""
    found = np.zeros(len(features), bool)
    for feature, (first, end) in zip(schema.features, pairwise(schema.first_inputs), strict=True):
        found |= feature.is_new(features[:, first:end])
    return found


def of_no_test_sets(files: Mapping[Path, str]) -> Iterator[Finding]:
    """Yield which files in data/test_sets are not evaluated; files: why not, by their paths."""
    for path, why in files.items():
        seen = f"{shown(str(path))} is not evaluated: {why}"
        yield Finding("warning", "table", seen, "rename it, or keep it elsewhere")


def of_repeated(name: str, repeated: int, data: Dataset) -> Iterator[Finding]:
    """Yield whether rows of another data set are in the training data; repeated: how many."""
    if repeated:
        seen = f"{shown(name)}: {repeated:,} of {len(data):,} rows are also in the training data"
        advice = "the model may do worse on rows it has not seen"
        yield Finding(level_of(repeated, data), "table", seen, advice)


def of_known_groups(name: str, data: Dataset) -> Iterator[Finding]:
    """Yield whether rows of another data set are of groups, or of a time, trained on."""
    if data.groups is None:
        return
    if known := int((data.groups.of_rows != UNKNOWN_GROUP).sum()):
        what, others = "of groups in the training data", "on other groups; see prepare.group"
        if data.groups.in_time:
            what, others = "not later than the training data", "on later rows; see prepare.time"
        seen = f"{shown(name)}: {known:,} of {len(data):,} rows are {what}"
        yield Finding(level_of(known, data), "table", seen, f"the model may do worse {others}")


def of_other_rows(
    schema: Schema, name: str, data: Dataset, are_later: bool = False
) -> Iterator[Finding]:
    """Yield whether many numbers or texts of another data set are unlike the training data's."""
    features, _ = data.take(some_rows(len(data), ROWS))
    outside = schema.outside(features[:, schema.number_places])
    if far := [one.name for one, rows in zip(schema.numbers, outside.T, strict=True) if many(rows)]:
        seen = f"{shown(name)} has many numbers outside the range of the training data: "
        advice = "these rows are later: do the numbers grow over time?"
        advice = advice if are_later else "are the units the same?"
        yield Finding("warning", "table", seen + listed(far), advice)
    spans = zip(schema.features, pairwise(schema.first_inputs), strict=True)
    inputs = [(feature, first, features[:, first:end]) for feature, (first, end) in spans]
    are_new = {feature.name: feature.is_new(of_it) for feature, _, of_it in inputs}
    are_empty = [(feature.name, first) for feature, first, of_it in inputs if is_empty(of_it)]
    empty = [name for name, first in are_empty if is_empty(data.features[:, first : first + 1])]
    if empty and len(data) >= NO_ACCIDENT:
        seen = f"no row of {shown(name)} has a value of {listed(empty)}"
        yield Finding("warning", "table", seen, "the model fills in what is usual")
    if new := [name for name, rows in are_new.items() if many(rows)]:
        seen = f"{shown(name)} has many values that the training data does not have: {listed(new)}"
        yield Finding("warning", "table", seen, "are they written the same way?")


def is_empty(inputs: npt.NDArray[np.float32]) -> bool:
    """Return whether no row has a value of the feature whose inputs these are, (rows, width)."""
    return bool(np.isnan(inputs[:, 0]).all())


def many(rows: npt.NDArray[np.bool_]) -> bool:
    """Whether so many rows are unlike those trained on that it is no accident."""
    return bool(rows.all() or rows.sum() > max(SOME, OUTSIDE * len(rows)))
