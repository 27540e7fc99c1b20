"""What is wrong with a table: for each column the first bad cell, and how many there are."""

from dataclasses import dataclass
from pathlib import Path

from classifier.base.errors import UserError, shown

TOLD = 20  # columns in a message


@dataclass
class Problem:
    """What is wrong with a column, or with rows as a whole.

    line: on which the first such row begins, 0 where it is not of a row; rows: how many there are.
    """

    what: str
    line: int
    rows: int = 1


class Problems:
    """What is wrong with the columns of a table; those of rows as a whole stand under ''."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.of_columns: dict[str, Problem] = {}

    def add(self, column: str, what: str, line: int = 0) -> None:
        if column in self.of_columns:
            self.of_columns[column].rows += 1
        else:
            self.of_columns[column] = Problem(what, line)

    def lines(self) -> list[str]:
        """Return a line for each column."""
        lines = []
        for column, problem in self.of_columns.items():
            row, of = f"row {problem.line}" * bool(problem.line), f"column {shown(column)}"
            place = ", ".join(filter(None, [row, of * bool(column)]))
            more = f" (as in {problem.rows:,} rows)" * (problem.rows > 1)
            lines.append(f"{place}: {problem.what}{more}")
        return lines


class TableError(UserError):
    """Something is wrong with a table; `problems` says what."""

    def __init__(self, problems: Problems) -> None:
        lines = problems.lines() or ["cannot be read as a table"]
        rest = [f"and {len(lines) - TOLD} more columns"] if len(lines) > TOLD else []
        super().__init__(f"{problems.path}: {lines[0]}", [*lines[1:TOLD], *rest])
        self.problems = problems
