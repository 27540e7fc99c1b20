"""What `-S` says: values in the syntax of `dvc exp run -S`, and ranges to search in."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Any

from classifier.base.errors import UserError, did_you_mean
from classifier.base.paths import PARAMS
from classifier.params import Params

RANGE = re.compile(r"(uniform|loguniform)\(([^,]+),([^,]+)\)")


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included; log: evenly spread over their logarithms."""

    low: float
    high: float
    log: bool


Texts = dict[str, str]  # a param, and its value as it is written after the equals sign
Space = dict[str, Range | list[str]]  # a param, and what it may be


def parse_overrides(overrides: Iterable[str]) -> Space:
    """Return the params that overrides such as `train.epochs=50,100` name, with their values.

    Raises:
        UserError: no such param, no value, or neither DVC's syntax nor a range.
    """
    space: Space = {}
    for override in overrides:
        key, equals, values = override.partition("=")
        key = key.strip().removeprefix(f"{PARAMS}:")
        _require_param(key)
        if not equals:
            raise UserError(f"{override}: expected {key}=VALUE")
        if key in space:
            raise UserError(f"{key}: is given twice")
        found = RANGE.fullmatch(values.strip())
        space[key] = _range_of(override, *found.groups()) if found else _texts(key, values)
    return space


def _require_param(key: str) -> None:
    sections = Params.of_stages()
    known = [f"{name}.{leaf}" for name in sections for leaf in sections[name].model_fields]
    if key not in known:
        hint = did_you_mean(key, known) or f"; see {PARAMS}"
        raise UserError(f"{key}: unknown param{hint}")


def _range_of(override: str, kind: str, low: str, high: str) -> Range:
    try:
        ends = Range(float(low), float(high), log=kind == "loguniform")
    except ValueError as error:
        raise UserError(f"{override}: expected two numbers") from error
    if not (-inf < ends.low < ends.high < inf and (ends.low > 0 or not ends.log)):
        above = ", above 0" if ends.log else ""
        raise UserError(f"{override}: expected two numbers, the lower one first{above}")
    return ends


def _texts(key: str, values: str) -> list[str]:
    from dvc.exceptions import DvcException
    from dvc.utils.hydra import get_hydra_sweeps
    from hydra.errors import HydraException

    try:
        sweeps = get_hydra_sweeps({str(PARAMS): [f"{key}={values}"]})
    except (HydraException, DvcException) as error:
        raise UserError(f"{key}={values}: {_reason(str(error))}") from error
    texts = [sweep[str(PARAMS)][0].partition("=")[2] for sweep in sweeps]
    if not texts:
        raise UserError(f"{key}={values}: no value is in this range")
    return list(dict.fromkeys(texts))


def _reason(message: str) -> str:
    """Return the line of Hydra's that says what is wrong: not its arrow, not its address."""
    lines = message.splitlines()
    nested = [line for line in lines if line.startswith("HydraException ")]
    return (nested or lines)[0].removeprefix("HydraException ")


def value_of(key: str, text: str) -> Any:
    """Return the value that DVC will write to params.yaml for a text of `parse_overrides`."""
    from dvc.utils.hydra import to_hydra_overrides

    return to_hydra_overrides([f"{key}={text}"])[0].value()
