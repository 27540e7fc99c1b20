"""One progress bar for long work: drawn on a terminal, plain occasional lines elsewhere."""

import sys
from typing import Any

from tqdm import tqdm

PLAIN_INTERVAL = 10.0  # seconds between two lines in a log, and before the first
PLAIN_FORMAT = "{desc}: {n_fmt}/{total_fmt} {unit} [{elapsed}]{postfix}"


class Progress(tqdm):  # type: ignore[type-arg]
    """A tqdm bar on standard error that writes whole lines where that is not a terminal."""

    def __init__(self, **options: Any) -> None:
        self.terminal, self.lines = sys.stderr.isatty(), 0
        plain = {"bar_format": PLAIN_FORMAT, "mininterval": PLAIN_INTERVAL, "delay": PLAIN_INTERVAL}
        style = {"dynamic_ncols": True} if self.terminal else plain
        super().__init__(file=sys.stderr, **style, **options)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        if self.terminal:
            super().display(msg, pos)
        else:
            self.fp.write(f"{self}\n")
            self.lines += 1

    def close(self) -> None:
        if self.terminal or not self.lines:
            super().close()
        elif not self.disable:
            self.display()
            self.disable = True


def say(text: str) -> None:
    """Write lines on standard error, above the bar where that is drawn."""
    if sys.stderr.isatty():
        Progress.write(text, file=sys.stderr)
    else:
        print(text, file=sys.stderr)
