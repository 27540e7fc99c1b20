"""What a command that runs others does when it is to end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Have SIGTERM end what is inside as Ctrl-C does: with all that it runs."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
