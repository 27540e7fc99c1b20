"""Tables that nobody here made: those of this project, and those that packages ship."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = Path(sys.prefix) / "tables"  # as `make test-environment` installs them
LICENCES = {
    "islp": "BSD-3-Clause",
    "scikit_learn": "BSD-3-Clause",
    "statsmodels": "BSD-3-Clause",
    "vega_datasets": "MIT",
}


@dataclass(frozen=True)
class Shipped:
    """A table and the column to predict.

    title: what docs/own_table.md calls it; read: returns its text; label: None where `init` finds
    it; chose: whether the recipe of `init` was chosen on it.
    """

    title: str
    read: Callable[[], str]
    label: str | None = None
    chose: bool = False


def whole(path: Path) -> str:
    """Return a file as it is."""
    return path.read_text(encoding="utf-8")


def below_first_line(path: Path) -> str:
    """Return a file without its first line: scikit-learn's names no columns, but counts rows."""
    return whole(path).split("\n", 1)[1]


def side_by_side(features: Path, label: Path) -> str:
    """Return two tables, the lines of one followed by those of the other."""
    pairs = zip(whole(features).splitlines(), whole(label).splitlines(), strict=True)
    return "".join(f"{left},{right}\n" for left, right in pairs)


def own(name: str) -> Callable[[], str]:
    return partial(whole, ROOT / "data/source" / name)


def of_islp(name: str) -> Callable[[], str]:
    return partial(whole, PACKAGES / f"ISLP/data/{name}.csv")


def of_statsmodels(name: str) -> Callable[[], str]:
    return partial(whole, PACKAGES / f"statsmodels/datasets/{name}/{name}.csv")


WINE = PACKAGES / "sklearn/datasets/data/wine_data.csv"
WEATHER = PACKAGES / "vega_datasets/_data/seattle-weather.csv"
KHAN = [PACKAGES / f"ISLP/data/Khan_{part}train.csv" for part in "xy"]

SHIPPED = {
    "oj": Shipped("OJ (ISLP)", of_islp("OJ"), "Purchase", chose=True),
    "carseats": Shipped("Carseats (ISLP)", of_islp("Carseats"), "ShelveLoc", chose=True),
    "penguins": Shipped("penguins", own("penguins.csv"), "species", chose=True),
    "wine": Shipped("wine (scikit-learn)", partial(below_first_line, WINE), chose=True),
    "weather": Shipped("Seattle's weather (vega_datasets)", partial(whole, WEATHER), chose=True),
    "iris": Shipped("iris", own("iris.data")),
    "breast_cancer": Shipped("breast cancer", own("breast_cancer.csv")),
    "digits": Shipped("digits", own("digits.csv")),
    "college": Shipped("College (ISLP)", of_islp("College"), "Private"),
    "wage": Shipped("Wage (ISLP), education", of_islp("Wage"), "education"),
    "default": Shipped("Default (ISLP), 97:3", of_islp("Default"), "default"),
    "caravan": Shipped("Caravan (ISLP), 94:6", of_islp("Caravan"), "Purchase"),
    "khan": Shipped("Khan (ISLP)", partial(side_by_side, *KHAN), "x"),
    "anes96": Shipped("anes96 (statsmodels), vote", of_statsmodels("anes96"), "'vote'"),
    "fair": Shipped(
        "fair (statsmodels), rate of marriage", of_statsmodels("fair"), "rate_marriage"
    ),
}
