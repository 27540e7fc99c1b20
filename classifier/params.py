"""params.yaml as typed sections, one model per stage; a mistake is one line naming the key."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from classifier.base.csv_dialect import DatesEntry, Delimiter, Encoding, NumberFormat
from classifier.base.errors import UserError, did_you_mean, quoted, require_file
from classifier.base.files import parse_yaml
from classifier.base.paths import PARAMS
from classifier.base.standard_streams import CONTROL

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Column = str | int  # its name, or its position: 0 is the first, -1 the last
Units = Annotated[int, Field(ge=1, le=1_000_000)]


class Section(BaseModel):
    """A section of params.yaml: every key is required, no other is known, types are not bent."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Fetch(Section):
    source: Annotated[str, Field(min_length=1)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$", to_lower=True)] | None
    timeout: Annotated[float, Field(gt=0, le=86_400)]  # seconds without an answer
    retries: Annotated[int, Field(ge=0, le=100)]

    @field_validator("source")
    @classmethod
    def _source_is_text(cls, source: str) -> str:
        if CONTROL.search(source):
            raise ValueError("should have no control characters")
        return source


class Prepare(Section):
    delimiter: Delimiter
    encoding: Encoding
    header: bool | Annotated[list[str], Field(min_length=1)]
    label: Column
    features: Annotated[list[Column], Field(min_length=1)] | None
    exclude: list[Column]
    text: list[Column]
    dates: dict[Column, DatesEntry]
    numbers: dict[Column, NumberFormat]
    group: Column | None
    time: Column | None
    na_values: list[str]
    missing: Literal["error", "drop", "impute"]
    unknown: Literal["error", "ignore"]
    max_categories: Annotated[int, Field(ge=2, le=1_000_000)]
    test_size: Fraction
    seed: Seed

    @model_validator(mode="after")
    def _one_way_to_split(self) -> Self:
        if self.group is not None and self.time is not None:
            raise ValueError("group and time exclude each other: leave one of them null")
        return self


class Crossval(Section):
    folds: Annotated[int, Field(ge=0, le=1_000_000)]  # 0: no cross-validation
    repeats: Annotated[int, Field(ge=1, le=1_000_000)]
    probabilities: bool  # whether those of all classes are kept
    seed: Seed

    @field_validator("folds")
    @classmethod
    def _one_fold_leaves_nothing_to_train_on(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("should be 0 or at least 2")
        return folds


class Train(Section):
    scale: Literal["none", "standard"]
    members: Annotated[int, Field(ge=1, le=1_000)]
    class_weight: Literal["none", "balanced"]
    hidden: Annotated[list[Units], Field(max_length=100)]  # Keras recurses over them
    activation: Literal[
        "elu", "gelu", "leaky_relu", "linear", "relu", "selu", "sigmoid", "silu", "softplus", "tanh"
    ]
    # Each updates every weight by itself, so models trained side by side do not touch each other.
    optimizer: Literal[
        "adadelta", "adagrad", "adam", "adamax", "adamw", "lion", "nadam", "rmsprop", "sgd"
    ]
    learning_rate: Annotated[float, Field(gt=0, le=100)]
    epochs: Annotated[int, Field(ge=1, le=1_000_000)]
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)]
    seed: Seed
    validation_fraction: Fraction
    patience: Annotated[int, Field(ge=0)]  # epochs without a lower validation loss; 0: never stop

    @model_validator(mode="after")
    def _patience_needs_validation_rows(self) -> Self:
        if self.patience and not self.validation_fraction:
            raise ValueError("patience needs a validation_fraction above 0")
        return self


class Params(Section):
    fetch: Fetch
    prepare: Prepare
    crossval: Crossval
    train: Train
    check: dict[str, float] = {}  # bounds of metrics, by name

    @classmethod
    def of_stages(cls) -> "dict[str, type[Section]]":
        """Return the sections that stages read, by name."""
        found = {name: field.annotation for name, field in cls.model_fields.items()}
        return {name: cast(type[Section], kind) for name, kind in found.items() if name != "check"}


def load_params(path: Path = PARAMS) -> Params:
    """Return the whole file, checked; a stage then uses its own section of it.

    All sections are checked at once, so that a mistake in the last stage's section is told
    before the first stage starts.

    Raises:
        UserError: the file is missing, is not YAML, or a key is unknown, missing or wrong.
    """
    return parse_params(require_file(path, "it holds all settings").read_bytes(), str(path))


def parse_params(text: str | bytes, name: str) -> Params:
    """Return the params that a text holds; `name` is what a `UserError` calls it."""
    return checked_params(parse_yaml(text, name), name)


def checked_params(content: Any, name: str) -> Params:
    """Return the params that the content of a params.yaml is; raise `UserError` as above."""
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{name}: {_first_mistake(error)}") from error


def written_params(text: str | bytes, name: str) -> dict[str, Any]:
    """Return all params as they are written, as `section.key`; raise `UserError` as above."""
    parse_params(text, name)
    sections: dict[str, dict[str, Any]] = parse_yaml(text, name)
    return {
        f"{section}.{key}": value
        for section in sections
        for key, value in sections[section].items()
    }


def _first_mistake(error: ValidationError) -> str:
    mistakes: Any = error.errors(include_url=False)
    # A misspelt key is also a missing one; what was written is the better thing to show. Where
    # several types would do, those that fit most of the value say what is wrong.
    first = min(mistakes, key=lambda m: m["type"] != "extra_forbidden")
    same_key = [m for m in mistakes if m["loc"][:2] == first["loc"][:2]]
    keys = max((_keys(m["loc"]) for m in same_key), key=len)
    closest = [m for m in same_key if _keys(m["loc"]) == keys]
    key = ".".join(keys) or "the file"
    if first["type"] == "extra_forbidden":
        return f"{key}: unknown key{_suggestion(keys)}"
    if first["type"] == "missing":
        return f"{key}: missing"
    expected = " or ".join(dict.fromkeys(_expected(m, keys) for m in closest))
    return f"{key}: {_found(closest[0]['input'])}{expected.replace(' or should be', ' or')}"


def _found(value: Any) -> str:
    if value is None:
        return "is empty, "
    return "" if isinstance(value, dict) else f"{quoted(value)}: "


def _keys(location: tuple[str | int, ...]) -> list[str]:
    """Return what leads to the value in the file; pydantic adds the type that it tried."""
    return [*map(str, location[:2]), *(str(part) for part in location[2:] if isinstance(part, int))]


def _expected(mistake: Any, keys: list[str]) -> str:
    if mistake["type"] == "model_type":
        return f"should hold the keys {', '.join(_section(keys).model_fields)}"
    words = mistake["msg"].removeprefix("Value error, ").replace(" after validation", "")
    return re.sub(r"^\w+ should", "should", words)


def _suggestion(keys: list[str]) -> str:
    known = _section(keys[:-1]).model_fields
    return did_you_mean(keys[-1], known) or f", known are {', '.join(known)}"


def _section(keys: list[str]) -> type[Section]:
    section: Any = Params
    for key in keys:
        section = section.model_fields[key].annotation
    return cast(type[Section], section)
