"""Optuna's search over ranges of params: ask and tell, wherever the trials are run."""

import warnings
from collections.abc import Iterable
from itertools import product
from math import isfinite
from typing import Any, Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from classifier.base.errors import UserError
from classifier.commands.sweep.experiments import Baseline, Trial
from classifier.commands.sweep.override_syntax import Range, Space, Texts, value_of

TRIES = 100  # to find values that were not tried before
DIGITS = 6  # of a number that is tried


class Search:
    """Tree-structured Parzen estimators over a space, told what is known already.

    known: the params and the value of each experiment so far; those in the space count among the
    wanted trials. The seed depends on how many these are: a search that goes on asks for others.
    """

    def __init__(
        self,
        space: Space,
        baseline: Baseline,
        direction: Literal["minimize", "maximize"],
        wanted: int,
        known: Iterable[tuple[dict[str, Any], float | None]],
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space, self.baseline, self.wanted = space, baseline, wanted
        self.distributions = {
            key: distribution_of(key, values, baseline.params[key]) for key, values in space.items()
        }
        self.require_valid_ends()
        inside = [(texts, value) for params, value in known if (texts := self.texts_in(params))]
        self.trials = {
            trial.name: trial for trial in (baseline.trial(texts) for texts, _ in inside)
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=len(inside), constant_liar=True)
        self.study = optuna.create_study(direction=direction, sampler=sampler)
        for texts, value in inside:
            self.study.add_trial(self.finished(texts, value))
        self.asked: dict[str, optuna.Trial] = {}

    def require_valid_ends(self) -> None:
        """Raise `UserError` if a value or the end of a range is none for the stages."""
        axes = []
        for key, values in self.space.items():
            found = [values.low, values.high] if isinstance(values, Range) else values
            whole = isinstance(self.distributions[key], IntDistribution)
            axes.append([(key, str(int(v) if whole else v)) for v in found])
        for texts in product(*axes):
            self.baseline.require_valid(self.baseline.trial(dict(texts)))

    def texts_in(self, params: dict[str, Any]) -> Texts | None:
        """Return how an experiment's params are written in the space, None if it is not in it."""
        texts = {key: text_in(key, values, params[key]) for key, values in self.space.items()}
        others = params.keys() - texts.keys()
        if None in texts.values() or any(params[k] != self.baseline.params.get(k) for k in others):
            return None
        return {key: text for key, text in texts.items() if text is not None}

    def finished(self, texts: Texts, value: float | None) -> optuna.trial.FrozenTrial:
        internal = {
            key: float(text) if isinstance(self.space[key], Range) else text
            for key, text in texts.items()
        }
        known = value is not None and isfinite(value)
        return optuna.trial.create_trial(
            state=TrialState.COMPLETE if known else TrialState.FAIL,
            value=value if known else None,
            params=internal,
            distributions=self.distributions,
        )

    def ask(self) -> Trial | None:
        """Return a trial that was not tried before, None if there are enough or no other."""
        for _ in range(TRIES if len(self.trials) < self.wanted else 0):
            asked = self.study.ask(self.distributions)
            trial = self.baseline.trial(
                {key: written(asked.params[key], self.space[key]) for key in self.space}
            )
            if trial.name not in self.trials:
                self.trials[trial.name], self.asked[trial.name] = trial, asked
                return trial
            self.study.tell(asked, state=TrialState.FAIL)
        return None

    def tell(self, trial: Trial, value: float | None) -> None:
        """Learn the value of a trial that was asked for, None if it has failed."""
        known = value is not None and isfinite(value)
        state = TrialState.COMPLETE if known else TrialState.FAIL
        self.study.tell(self.asked.pop(trial.name), value if known else None, state)


def distribution_of(key: str, values: Range | list[str], default: Any) -> BaseDistribution:
    """Return Optuna's; a range is of whole numbers where the param is one."""
    if isinstance(values, list):
        return CategoricalDistribution(values)
    if isinstance(default, bool) or not isinstance(default, int | float):
        raise UserError(f"{key}: is not a number, so a range cannot be searched")
    if isinstance(default, float):
        return FloatDistribution(values.low, values.high, log=values.log)
    if not (values.low.is_integer() and values.high.is_integer()):
        raise UserError(f"{key}: expected a range of whole numbers")
    return IntDistribution(int(values.low), int(values.high), log=values.log)


def written(value: Any, values: Range | list[str]) -> str:
    """Return the text of a value that Optuna proposes."""
    if not isinstance(values, Range) or isinstance(value, int):
        return str(value)
    return repr(min(max(float(f"{value:.{DIGITS}g}"), values.low), values.high))


def text_in(key: str, values: Range | list[str], value: Any) -> str | None:
    """Return how a value of a param is written, None if it is not among the values."""
    if isinstance(values, Range):
        number = isinstance(value, int | float) and values.low <= value <= values.high
        return repr(value) if number else None
    return next((text for text in values if value_of(key, text) == value), None)
