"""Which columns, which classes, how a row becomes numbers; prepare finds it, the others use it."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from classifier.base.csv_dialect import DateFormat, NumberFormat
from classifier.base.errors import REPRO_FIRST, UserError, listed, require_file, shortened, shown
from classifier.base.files import write_text
from classifier.rows.dataset import Kinds
from classifier.table.calendar import WIDTHS, DatePart, inputs_of, names_of
from classifier.table.cells import Layout, counted, gap_advice, missing_value, unknown_value
from classifier.table.notation import PLAIN, Amounts, Dates, Notation

if TYPE_CHECKING:
    import pandas as pd

MISSING, UNKNOWN = -1, -2  # codes of a text cell that has no place in its vocabulary
# What a model file says of a column.
DESCRIBED = {"name", "kind", "date", "parts", "like", "unit", "categories"}
UNSEEN = "not trained on"  # what a model file calls inputs that rows kept aside alone have
LONGEST_PART = 200  # characters of what a message repeats of a description


@dataclass(frozen=True)
class Rows:
    """Rows as they were read, gaps and all.

    numbers: (rows, number features) float32, NaN where missing;
    codes: (rows, text features) int32, the place of the category, or MISSING, or UNKNOWN.
    """

    numbers: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int32]

    def __getitem__(self, which: slice | npt.NDArray[Any]) -> "Rows":
        return Rows(self.numbers[which], self.codes[which])

    def complete(self) -> npt.NDArray[np.bool_]:
        """Return which rows have no gap."""
        gaps = np.isnan(self.numbers).any(axis=1) | (self.codes == MISSING).any(axis=1)
        return np.array(~gaps)


NO_ACCIDENT = 10  # rows of which none has a value in a column


class Vocabulary:
    """The values that a text column can have, each with its place."""

    def __init__(self, layout: Layout, values: Iterable[str] = ()) -> None:
        self.layout = layout
        self.places = {value: place for place, value in enumerate(values)}

    def learn(self, cells: "pd.Categorical") -> None:
        """Add the values that are new, in order of first appearance."""
        unknown = [at for at, value in enumerate(cells.categories) if self.code(value) == UNKNOWN]
        if not unknown or (len(unknown) == 1 and unknown[0] not in cells.codes):
            return  # no row has the word that the parser is given; `unique` takes far longer
        for cell in cells.unique():
            if not self.layout.is_missing(cell):
                self.places.setdefault(cell.strip(), len(self.places))

    def codes(self, cells: "pd.Categorical") -> npt.NDArray[np.int32]:
        """Return the place of each cell's value, or MISSING, or UNKNOWN."""
        places = [self.code(value) for value in cells.categories]
        return np.array(places, np.int32).take(cells.codes)

    def code(self, cell: str) -> int:
        if self.layout.is_missing(cell):
            return MISSING
        return self.places.get(cell.strip(), UNKNOWN)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NumberFeature(_Model):
    """A column of numbers, dates or amounts: one input, NaN where there is a gap.

    After it come those of the parts of a date, one-hot, all 0 where there is a gap.
    """

    kind: Literal["number"] = "number"
    name: str
    date: DateFormat | None = None  # as in prepare.dates
    parts: list[DatePart] | None = None  # as there
    untrained: list[str] | None = None  # of month=1, weekday=7 and so on, what no such row has
    has_none: bool | None = None  # whether only rows that were kept aside have a number
    like: NumberFormat | None = None  # as in prepare.numbers
    unit: str | None = None  # of those: a currency, %, or none
    lowest: FiniteFloat  # of the rows trained on
    highest: FiniteFloat

    @cached_property
    def notation(self) -> Notation:
        """How the numbers are written."""
        if self.date is not None:
            return Dates(self.date)
        return PLAIN if self.like is None else Amounts(self.like, self.unit or "")

    @property
    def one_hot_widths(self) -> list[int]:
        """How many inputs each part of a date is."""
        return [WIDTHS[part] for part in self.parts or ()]

    @property
    def width(self) -> int:
        """How many inputs it is."""
        return 1 + sum(self.one_hot_widths)

    @property
    def input_names(self) -> list[str]:
        return [self.name, *(f"{self.name} {part}" for part in names_of(self.parts or ()))]

    def without(self, unseen: Collection[str]) -> Self:
        """Return the feature with those of its inputs that a model was not trained on."""
        named = zip(names_of(self.parts or ()), self.input_names[1:], strict=True)
        untrained = [*(self.untrained or ()), *(part for part, name in named if name in unseen)]
        has_none = True if self.name in unseen else None
        return self.model_copy(update={"untrained": untrained or None, "has_none": has_none})

    def is_untrained(self, days: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Return which days are of a month or weekday that no row trained on is of, (rows,)."""
        if not self.parts or not self.untrained:
            return np.zeros(len(days), bool)
        return self._are_of(inputs_of(days, self.parts), self.untrained)

    def is_new(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Return which rows have what no row trained on has; inputs: (rows, width)."""
        is_new = self._are_of(inputs[:, 1:], self.untrained or ())
        return is_new | ~np.isnan(inputs[:, 0]) if self.has_none else is_new

    def _are_of(
        self, inputs: npt.NDArray[np.float32], parts: Collection[str]
    ) -> npt.NDArray[np.bool_]:
        are_named = [name in parts for name in names_of(self.parts or ())]
        return np.array(inputs[:, np.array(are_named, bool)].any(axis=1))


class TextFeature(_Model):
    """A column of text: each category is one input, 1 where the row has it and 0 elsewhere.

    All are NaN where there is a gap.
    """

    kind: Literal["text"] = "text"
    name: str
    categories: list[str]  # in order of first appearance in the rows trained on
    untrained: list[str] | None = None  # of these, what only rows have that were kept aside

    @property
    def trained(self) -> list[str]:
        """The categories that rows trained on have."""
        return [name for name in self.categories if name not in (self.untrained or ())]

    @property
    def one_hot_widths(self) -> list[int]:
        return [len(self.categories)]

    @property
    def width(self) -> int:
        """How many inputs it is."""
        return len(self.categories)

    @property
    def input_names(self) -> list[str]:
        return [f"{self.name}={category}" for category in self.categories]

    def without(self, unseen: Collection[str]) -> Self:
        """Return the feature with those of its inputs that a model was not trained on."""
        named = zip(self.categories, self.input_names, strict=True)
        untrained = [category for category, name in named if name in unseen]
        return self.model_copy(update={"untrained": untrained or None})

    def is_new(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Return which rows have what no row trained on has; inputs: (rows, width)."""
        are_trained = np.array([name in self.trained for name in self.categories])
        return np.array((inputs[:, are_trained] == 0).all(axis=1) & ~np.isnan(inputs).any(axis=1))

    def is_untrained(self, codes: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Return which values, by their places, no row trained on has, (rows,)."""
        places = [self.categories.index(category) for category in self.untrained or ()]
        return np.isin(codes, [*places, UNKNOWN])


def _are_distinct(names: list[str]) -> bool:
    return len(set(names)) == len(names)


Feature = Annotated[NumberFeature | TextFeature, Field(discriminator="kind")]


class Schema(_Model):
    """What prepare found in the table, and all that is needed to turn rows into numbers."""

    layout: Layout
    columns: list[str]
    label: str
    features: list[Feature]
    missing: Literal["error", "drop", "impute"]
    unknown: Literal["error", "ignore"]
    classes: list[str]  # in order of first appearance; a class' place is its index
    counts: dict[str, dict[str, int]]  # rows of each class in each split

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises UserError: there is no such file, or it is not as prepare writes it."""
        text = require_file(path, REPRO_FIRST).read_bytes()
        try:
            schema = cls.model_validate_json(text)
        except ValidationError as error:
            raise UserError(f"{path}: is not a schema that prepare wrote") from error
        if wrong := [part for part, fits in schema._parts() if not fits]:
            raise UserError(f"{path}: is not a schema that prepare wrote: see its {wrong[0]}")
        return schema

    def _parts(self) -> Iterator[tuple[str, bool]]:
        """Yield what it consists of and whether that fits the rest."""
        names = [feature.name for feature in self.features]
        yield "columns", _are_distinct(self.columns)
        yield "label", self.label in self.columns and self.label not in names
        yield "features", names != [] and _are_distinct(names) and {*names} <= {*self.columns}
        for text in self.texts:
            yield f"categories of {shown(text.name)}", self._are_values(text.categories)
            yield f"untrained of {shown(text.name)}", text.untrained is None
        for number in self.numbers:
            yield f"range of {shown(number.name)}", number.lowest <= number.highest
            yield f"parts of {shown(number.name)}", number.date is not None or not number.parts
            untrained, parts = {*(number.untrained or ())}, {*names_of(number.parts or ())}
            is_of_prepare = untrained <= parts and number.has_none is None
            yield f"untrained of {shown(number.name)}", is_of_prepare
        yield "classes", self._are_values(self.classes) and len(self.classes) > 1
        yield "counts", {"train"} <= {*self.counts} <= {"train", "test"}
        for split in self.counts.values():
            yield "counts", list(split) == self.classes and all(n >= 0 for n in split.values())
        yield "counts", all(self.counts["train"].values())

    def _are_values(self, values: list[str]) -> bool:
        """Whether cells can have all these values."""
        stripped = [v.strip() for v in values if not self.layout.is_missing(v)]
        return values == stripped and values != [] and _are_distinct(values)

    def metadata(self) -> dict[str, str]:
        """Return what a model file says of itself, so that it can be used without this project.

        `classes` and `columns` are JSON.
        """
        gap = " in numbers" if self.gap is None else f", or {json.dumps(self.gap)} in text,"
        return {
            "label": self.label,
            "classes": json.dumps(self.classes, ensure_ascii=False),
            "columns": json.dumps(
                [one.model_dump(include=DESCRIBED, exclude_none=True) for one in self.features],
                ensure_ascii=False,
            ),
            "gap": f"NaN{gap} is filled" if self.missing == "impute" else f"NaN{gap} has no answer",
            "unknown category": "refused" if self.unknown == "error" else "none of those known",
        }

    def require_fit(
        self, model: Path, metadata: Mapping[str, str], inputs: Mapping[str, str]
    ) -> None:
        """Raise `UserError` unless a model is of these columns and classes.

        metadata: what it says of itself; inputs: the kind of each that it takes, by its name.
        """
        own = self.metadata() | {"inputs": str(self.kinds_of_features())}
        found = {part: metadata.get(part, "nothing") for part in own} | {"inputs": str({**inputs})}
        for part, expected in own.items():
            if found[part] != expected:
                other = shortened(found[part], LONGEST_PART)
                raise UserError(
                    f"{model}: {part}: found {other}, data/prepared has "
                    f"{shortened(expected, LONGEST_PART)}; run `dvc repro`"
                )

    def unseen_inputs(self, mask: npt.NDArray[np.bool_] | None) -> list[str]:
        """Return the inputs in a mask, (inputs,), but for those that no row of the table has."""
        known = {f"{one.name} {part}" for one in self.numbers for part in one.untrained or ()}
        marked = zip(self.input_names(), [] if mask is None else mask.tolist(), strict=False)
        return [name for name, is_unseen in marked if is_unseen and name not in known]

    def without(self, unseen: Collection[str]) -> Self:
        """Return the schema as a model knows it that was not trained on some inputs."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        features = [feature.without(unseen) for feature in self.features]
        return type(self)(**fields | {"features": features})

    def save(self, path: Path) -> None:
        write_text(path, self.model_dump_json(indent=2, exclude_none=True) + "\n")

    @cached_property
    def numbers(self) -> list[NumberFeature]:
        return [feature for feature in self.features if isinstance(feature, NumberFeature)]

    @cached_property
    def ranges(self) -> npt.NDArray[np.float32]:
        """The lowest and the highest of each number, (2, number features) float32."""
        limits = [(number.lowest, number.highest) for number in self.numbers]
        return np.array(limits, np.float32).reshape(-1, 2).T

    def outside(self, numbers: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Return which numbers, (rows, number features), no row trained on comes up to."""
        lowest, highest = self.ranges
        return np.array((numbers < lowest) | (numbers > highest))

    @cached_property
    def texts(self) -> list[TextFeature]:
        return [feature for feature in self.features if isinstance(feature, TextFeature)]

    @cached_property
    def vocabularies(self) -> list[Vocabulary]:
        return [Vocabulary(self.layout, text.categories) for text in self.texts]

    def kinds_of_features(self) -> dict[str, str]:
        """Return the kind of each feature, number or text, by its name."""
        return {feature.name: feature.kind for feature in self.features}

    @cached_property
    def gap(self) -> str | None:
        """What stands for a gap in text, an empty text if possible; None if nothing does."""
        values = self.layout.na_values
        return "" if "" in values else next(iter(values), None)

    @cached_property
    def inputs(self) -> int:
        """The number of inputs that a row becomes."""
        return self.first_inputs[-1]

    def input_names(self) -> list[str]:
        """Return what each input is: a column, or a column and one of its categories."""
        return [name for feature in self.features for name in feature.input_names]

    @property
    def no_rows(self) -> Rows:
        """Rows of these features, of which there are none."""
        numbers, texts = len(self.numbers), len(self.texts)
        return Rows(np.empty((0, numbers), np.float32), np.empty((0, texts), np.int32))

    def feature_names(self) -> str:
        """Return the names of the features as a message lists them."""
        return listed([feature.name for feature in self.features])

    def row(self, cells: Sequence[str]) -> Rows:
        """Return one row, given as the text of its features.

        Raises:
            UserError: there are too many or too few cells, or one cannot be what it is.
        """
        if len(cells) != len(self.features):
            found, expected = counted(len(cells), "value"), len(self.features)
            raise UserError(f"found {found}, expected {expected} ({self.feature_names()})")
        named = {feature.name: cell for feature, cell in zip(self.features, cells, strict=True)}
        numbers = [self._number(feature, named[feature.name]) for feature in self.numbers]
        codes = [
            self._code(feature, vocabulary, named[feature.name])
            for feature, vocabulary in zip(self.texts, self.vocabularies, strict=True)
        ]
        return Rows(np.array([numbers], np.float32), np.array([codes], np.int32))

    def _number(self, feature: NumberFeature, cell: str) -> float:
        notation = feature.notation
        if notation.is_missing(cell, self.layout):
            if self.missing != "impute":
                raise UserError(f"{shown(feature.name)}: {missing_value(cell)}")
            return np.nan
        number = notation.number(cell)
        if number is None:
            raise UserError(f"{shown(feature.name)}: {notation.why_not(cell)}{gap_advice(cell)}")
        return number

    def _code(self, feature: TextFeature, vocabulary: Vocabulary, cell: str) -> int:
        code = vocabulary.code(cell)
        if code == MISSING and self.missing != "impute":
            raise UserError(f"{shown(feature.name)}: {missing_value(cell)}")
        if code == UNKNOWN and self.unknown == "error":
            raise UserError(f"{shown(feature.name)}: {unknown_value(cell, feature.categories)}")
        return code

    def encode(self, rows: Rows) -> npt.NDArray[np.float32]:
        """Return the inputs of the network for the rows, (rows, inputs) float32, NaN for gaps."""
        if self.are_numbers:
            return rows.numbers
        inputs = np.zeros((len(rows.numbers), self.inputs), np.float32)
        inputs[:, self.number_places] = rows.numbers
        for date, days in zip(self.numbers, rows.numbers.T, strict=True):
            if date.parts:
                first, end = self.spans[date.name]
                inputs[:, first + 1 : end] = inputs_of(days, date.parts)
        for text, codes in zip(self.texts, rows.codes.T, strict=True):
            first, end = self.spans[text.name]
            known = np.flatnonzero(codes >= 0)
            inputs[known, first + codes[known]] = 1
            inputs[codes == MISSING, first:end] = np.nan
        return inputs

    @cached_property
    def first_inputs(self) -> list[int]:
        """The place among the inputs at which each feature begins, and the end."""
        return [0, *accumulate(feature.width for feature in self.features)]

    @cached_property
    def spans(self) -> dict[str, tuple[int, int]]:
        """The places of the first input of each feature, by its name, and of the one behind it."""
        names = [feature.name for feature in self.features]
        return dict(zip(names, pairwise(self.first_inputs), strict=True))

    @property
    def are_numbers(self) -> bool:
        """Whether each input is the number of a column."""
        return self.inputs == len(self.numbers)

    @cached_property
    def kinds(self) -> Kinds:
        """What the inputs are, as it is written beside the rows."""
        texts: list[tuple[int, int]] = []
        for feature in self.features:
            widths, (_, end) = feature.one_hot_widths, self.spans[feature.name]
            texts += pairwise(accumulate(widths, initial=end - sum(widths)))
        gaps, classes = self.missing == "impute", tuple(self.classes)
        return Kinds(texts=tuple(texts), gaps=gaps, classes=classes)

    @cached_property
    def number_places(self) -> list[int]:
        """The place among the inputs of each number."""
        places = zip(self.features, self.first_inputs, strict=False)  # which has the end too
        return [place for feature, place in places if isinstance(feature, NumberFeature)]
