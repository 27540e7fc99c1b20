"""One progress bar for long work: drawn on a terminal, plain occasional lines elsewhere."""

import sys
from typing import Any

from tqdm import tqdm

PLAIN_INTERVAL = 10.0  # seconds between two lines in a log
PLAIN_FORMAT = "{desc}: {n_fmt}/{total_fmt} {unit} [{elapsed}]{postfix}\n"


class Progress(tqdm):  # type: ignore[type-arg]
    """A tqdm bar on standard error that writes whole lines where that is not a terminal."""

    def __init__(self, **options: Any) -> None:
        plain = {"mininterval": PLAIN_INTERVAL, "bar_format": PLAIN_FORMAT, "delay": PLAIN_INTERVAL}
        on_terminal = {"dynamic_ncols": True}
        self.terminal = sys.stderr.isatty()
        super().__init__(file=sys.stderr, **(on_terminal if self.terminal else plain), **options)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        if self.terminal:
            super().display(msg, pos)
        else:
            self.fp.write(msg or str(self))
