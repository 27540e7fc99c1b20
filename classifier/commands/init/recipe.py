"""Which network to begin with, by the size of a table.

Chosen on the tables OJ and Carseats (ISLP), weather of Seattle (vega_datasets), penguins and wine,
and checked on others, see docs/own_table.md: the mean of ten networks of few steps, which learn
little more than a linear one, and of deeper ones with more steps where each input has many rows.
"""

from typing import Any

MANY_ROWS = 200  # for each input
LARGE, HUGE = 10_000, 1_000_000  # rows from which on batches are larger
FOLD_ROWS = 1_000  # rows from which on one cross-validation says as much as ten
WIDE = 500  # inputs from which on ten take minutes


def recipe_for(rows: int, inputs: int) -> dict[str, Any]:
    """Return the params of train but for the seed."""
    is_deep = rows >= MANY_ROWS * inputs
    steps, batch_size = 3_000 if is_deep else 500, 32 if rows < LARGE else 256
    return {
        "scale": "standard",
        "members": 10 if rows < HUGE else 1,
        "class_weight": "none",
        "hidden": [64, 32] if is_deep else [32],
        "activation": "relu" if is_deep else "tanh",
        "optimizer": "adam",
        "learning_rate": 0.003,
        "batch_size": batch_size,
        "epochs": min(300, max(2, round(steps * batch_size / rows))),
        "validation_fraction": 0.0,
        "patience": 0,
    }


def cross_validation_for(rows: int, inputs: int) -> dict[str, Any]:
    """Return the params of crossval but for the seed.

    Fewer models where many rows test them, or where many inputs make them large.
    """
    is_quick = rows < FOLD_ROWS and inputs < WIDE
    folds, repeats = 10 if rows < HUGE else 5, 10 if is_quick else 1
    return {"folds": folds, "repeats": repeats, "probabilities": True}
