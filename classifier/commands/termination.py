"""What a command that runs others does when it is to end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Have SIGTERM, and SIGHUP, end what is inside as Ctrl-C does: with all that it runs."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
