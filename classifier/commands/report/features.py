"""What the features of the training rows look like, class by class, from a sample of them."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.base.errors import quoted
from classifier.commands.report.plots import Records
from classifier.rows.dataset import Dataset, some_rows
from classifier.table.schema import Feature, NumberFeature, Schema

SAMPLE_ROWS = 10_000
SAMPLE_CELLS = 2_000_000
OTHER, NO_VALUE = "(other)", "(no value)"  # categories, all in one; a gap, or one not known
QUANTILES = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}

Inputs = npt.NDArray[np.float32]
Classes = npt.NDArray[np.intp]


def sample(data: Dataset) -> tuple[Inputs, Classes]:
    """Return all rows, or some that are drawn, (n, inputs), and the class of each, (n,)."""
    cells = data.features.shape[1] + data.labels.shape[1]
    most = max(1, min(SAMPLE_ROWS, SAMPLE_CELLS // cells))
    features, labels = data.take(some_rows(len(data), most))
    return features, labels.argmax(axis=1)


def values(feature: Feature, inputs: Inputs) -> npt.NDArray[Any]:
    """Return what a feature is in the table, (n,), from its own inputs, (n, columns).

    A number that is a gap is NaN; a text that is a gap or an unknown category is empty.
    """
    if isinstance(feature, NumberFeature):
        return inputs[:, 0].astype(float)
    names = np.array([*feature.categories, ""], dtype=object)
    is_known = (inputs == 1).any(axis=1)
    return names[np.where(is_known, inputs.argmax(axis=1), -1)]


def columns(schema: Schema, inputs: Inputs, places: Iterable[int]) -> Iterator[tuple[Feature, Any]]:
    """Yield each feature at these places, with what it is in the table."""
    starts = schema.first_inputs
    for at in places:
        yield (
            schema.features[at],
            values(schema.features[at], inputs[:, starts[at] : starts[at + 1]]),
        )


def telling(inputs: Inputs, classes: Classes) -> npt.NDArray[np.float64]:
    """Return the share of each input's variance that lies between the classes, (inputs,).

    Gaps are left out.
    """
    counts = np.maximum((~np.isnan(inputs)).sum(axis=0), 1)
    centred = inputs - np.nansum(inputs, axis=0, dtype=float) / counts
    total, between = np.nansum(centred**2, axis=0), np.zeros(inputs.shape[1])
    for place in np.unique(classes):
        rows = centred[classes == place]
        counts = np.maximum((~np.isnan(rows)).sum(axis=0), 1)
        between += np.nansum(rows, axis=0) ** 2 / counts
    return np.asarray(np.divide(between, total, out=np.zeros_like(total), where=total > 0))


def most_telling(schema: Schema, inputs: Inputs, classes: Classes, wanted: int) -> list[int]:
    """Return the places, in their order, of the features that tell the classes apart best."""
    scores = np.maximum.reduceat(telling(inputs, classes), schema.first_inputs[:-1])
    return sorted(np.argsort(-scores, kind="stable")[:wanted].tolist())


def quantiles(column: npt.NDArray[Any], names: npt.NDArray[Any]) -> Records:
    """Return class and quantiles of a number for each class, from (n,) values and class names.

    Gaps are left out, and so is a class that has nothing else.
    """
    at, has_value = [*QUANTILES.values()], ~np.isnan(column)
    column, names = column[has_value], names[has_value]
    return [
        {"class": name, **dict(zip(QUANTILES, np.quantile(column[names == name], at), strict=True))}
        for name in pd.unique(names)
    ]


def category_shares(column: npt.NDArray[Any], names: npt.NDArray[Any], limit: int) -> pd.DataFrame:
    """Return the share of each category, in columns, of each class; beyond the limit: other."""
    own = {each: quoted(each) for each in (OTHER, NO_VALUE)}  # of the table's, in quotes
    named = pd.Series(column).replace(own | {"": NO_VALUE})
    frequent = named.value_counts().index[:limit]
    return pd.crosstab(names, named.where(named.isin(frequent), OTHER), normalize="index")
