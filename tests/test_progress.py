"""A bar is drawn on a terminal; a log gets a plain line now and then."""

import io

import pytest

from classifier.base import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def shown(monkeypatch):
    """Runs through a bar of 3 steps and returns what a stream was shown."""

    def shown(stream: io.StringIO, interval: float) -> str:
        monkeypatch.setattr("sys.stderr", stream)
        monkeypatch.setattr(progress, "PLAIN_INTERVAL", interval)
        with progress.Progress(desc="train", total=3, unit="epoch") as bar:
            for _ in range(3):
                bar.update()
        return stream.getvalue()

    return shown


def test_a_terminal_gets_a_bar(shown):
    drawn = shown(Terminal(), 10)
    assert "3/3" in drawn
    assert drawn.count("\r") > 1


def test_a_log_gets_whole_lines(shown):
    lines = shown(io.StringIO(), 0).splitlines()
    assert lines[-1] == "train: 3/3 epoch [00:00]"
    assert all(line.startswith("train: ") for line in lines)


def test_a_log_gets_nothing_from_short_work(shown):
    assert shown(io.StringIO(), 10) == ""
