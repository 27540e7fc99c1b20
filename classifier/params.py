"""params.yaml as typed sections, one model per stage; a mistake is one line naming the key."""

import codecs
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from classifier.errors import UserError, require_file

PARAMS = Path("params.yaml")

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Column = str | int  # its name, or its position: 0 is the first, -1 the last
Units = Annotated[int, Field(ge=1, le=1_000_000)]


class Section(BaseModel):
    """A section of params.yaml: every key is required, no other is known, types are not bent."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Fetch(Section):
    source: Annotated[str, Field(min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    timeout: Annotated[float, Field(gt=0, le=86_400)]  # seconds without an answer
    retries: Annotated[int, Field(ge=0, le=100)]


class Prepare(Section):
    delimiter: Annotated[str, Field(min_length=1, max_length=1)]
    encoding: str
    header: bool | Annotated[list[str], Field(min_length=1)]
    label: Column
    features: Annotated[list[Column], Field(min_length=1)] | None
    text: list[Column]
    na_values: list[str]
    missing: Literal["error", "drop", "impute"]
    scale: Literal["none", "standard"]
    unknown: Literal["error", "ignore"]
    max_categories: Annotated[int, Field(ge=2, le=1_000_000)]
    test_size: Fraction
    seed: Seed

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, name: str) -> str:
        try:
            return codecs.lookup(name).name
        except LookupError as error:
            raise ValueError("should be an encoding that Python knows, such as utf-8") from error


class Crossval(Section):
    folds: Annotated[int, Field(ge=0, le=1_000_000)]  # 0: no cross-validation
    repeats: Annotated[int, Field(ge=1, le=1_000_000)]
    seed: Seed

    @field_validator("folds")
    @classmethod
    def _one_fold_leaves_nothing_to_train_on(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("should be 0 or at least 2")
        return folds


class Train(Section):
    hidden: list[Units]
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


class _Loader(yaml.SafeLoader):
    """YAML 1.2 as DVC reads it: 1e-05 is a number, 010 is ten, no is a word, no key is twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.value in keys:
                problem = f"the key {key_node.value!r} is no single word or stands twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            keys.add(key_node.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {}  # those of YAML 1.1
# The core schema, https://yaml.org/spec/1.2.2/#103-core-schema
for _tag, _pattern, _first in (
    ("null", r"(null|Null|NULL|~|)$", ["n", "N", "~", ""]),
    ("bool", r"(true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"[-+]?[0-9]+$", list("-+0123456789")),
    (
        "float",
        r"([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))


def load_params(path: Path = PARAMS) -> Params:
    """Return the whole file, checked; a stage then uses its own section of it.

    All sections are checked at once, so that a mistake in the last stage's section is told
    before the first stage starts.

    Raises:
        UserError: the file is missing, is not YAML, or a key is unknown, missing or wrong.
    """
    content = require_file(path, "it holds the settings of every stage").read_bytes()
    try:
        text = content.decode()
        return Params.model_validate(yaml.load(text, _Loader))
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise UserError(f"{path}: {line}not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise UserError(f"{path}: {_first_mistake(error)}") from error


def _first_mistake(error: ValidationError) -> str:
    mistakes = error.errors(include_url=False)
    # A misspelt key is also a missing one; what was written is the better thing to show. Where
    # one of several types would do, the one that fits most of the value says what is wrong.
    mistake: Any = min(mistakes, key=lambda m: m["type"] != "extra_forbidden")
    same_key = [m for m in mistakes if m["loc"][:2] == mistake["loc"][:2]]
    mistake = max(same_key, key=lambda m: len([part for part in m["loc"] if isinstance(part, int)]))
    location = mistake["loc"]
    keys = [*map(str, location[:2]), *(str(part) for part in location[2:] if isinstance(part, int))]
    key = ".".join(keys) or "the file"
    if mistake["type"] == "extra_forbidden":
        return f"{key}: unknown key{_suggestion(keys)}"
    if mistake["type"] == "missing":
        return f"{key}: missing"
    expected = re.sub(r"^\w+ should", "should", mistake["msg"].removeprefix("Value error, "))
    shown = "" if isinstance(mistake["input"], dict) else f"{mistake['input']!r}: "
    return f"{key}: {shown}{expected}"


def _suggestion(keys: list[str]) -> str:
    known: Any = Params
    for key in keys[:-1]:
        known = known.model_fields[key].annotation
    close = get_close_matches(keys[-1], known.model_fields, n=1)
    return (
        f", did you mean {close[0]}?" if close else f", known are {', '.join(known.model_fields)}"
    )
