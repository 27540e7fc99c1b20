"""A clone that has pushed its artifacts, and ways to damage them."""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dvc.cli import main as dvc
from dvc.repo import Repo
from typer.testing import CliRunner

from classifier.__main__ import app
from classifier.base.dvc_lock import read_lock
from classifier.base.files import md5_of
from tests.conftest import Clone

RAW, KERAS, MODEL = "data/raw.csv", "models/classifier.keras", "models/classifier.onnx"
PREPARED, PREDICTIONS = "data/prepared", "metrics/predictions"
SCHEMA, FEATURES = f"{PREPARED}/schema.json", f"{PREPARED}/train/features.npy"
WORKSPACE, CACHE, REMOTE = PLACES = ["workspace", "cache", "remote beside"]
CLEAN = "27 files: all match dvc.lock\n"


class Shared:
    """A clone with its remote beside it, where each artifact is kept, and commands in it."""

    def __init__(self, clone: Clone) -> None:
        self.clone, self.before = clone, clone.files()
        self.remote = clone.path.parent / "dvc-remote"
        self.md5s = {
            path: out.md5 for path, out in read_lock(clone.path / "dvc.lock").outs().items()
        }
        self.md5s |= {path: md5_of(clone.path / path) for path in self.before}

    def stored(self, file: str) -> str:
        """Return where the cache and remotes keep a file or the list of a folder."""
        return f"files/md5/{self.md5s[file][:2]}/{self.md5s[file][2:]}"

    def path(self, place: str, file: str = MODEL) -> Path:
        if place == WORKSPACE:
            return self.clone.path / file
        return (self.clone.path / ".dvc/cache" if place == CACHE else self.remote) / self.stored(
            file
        )

    def run(self, command: str, *arguments: str) -> tuple[int, str]:
        """Run a command in this process; return its exit code and all that it has written."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.clone.path)
            done = CliRunner().invoke(app, [command, *arguments], catch_exceptions=False)
        return done.exit_code, done.output

    def run_apart(self, *arguments: str) -> tuple[int, str]:
        """Run a command in a process of its own, which must end within a minute."""
        command = ["python", "-m", "classifier", *arguments]
        done = self.clone.run(*command, check=False, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def wipe(self) -> None:
        """Leave what a fresh clone has."""
        for path in (".dvc/cache", PREPARED, PREDICTIONS):
            shutil.rmtree(self.clone.path / path)
        for file in (RAW, KERAS, MODEL):
            (self.clone.path / file).unlink()

    def store(self, content: bytes, suffix: str = "") -> str:
        """Put an object into the remote; return its md5."""
        md5 = hashlib.md5(content).hexdigest() + suffix
        path = self.remote / "files/md5" / md5[:2] / md5[2:]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return md5

    def relist(self, change: Callable[[list[dict[str, str]]], object]) -> None:
        """Change the list of the prepared table on the remote, and its md5 in dvc.lock."""
        entries = json.loads(self.path(REMOTE, PREPARED).read_text())
        content = change(entries)
        encoded = content if isinstance(content, bytes) else json.dumps(content).encode()
        old, self.md5s[PREPARED] = self.md5s[PREPARED], self.store(encoded, ".dir")
        lock = self.clone.read("dvc.lock").replace(old, self.md5s[PREPARED])
        (self.clone.path / "dvc.lock").write_text(lock)

    def verify(self, *arguments: str) -> tuple[int, str]:
        return self.run("verify", *arguments)

    def dvc(self, *arguments: str) -> int:
        """Run DVC in this process; return its exit code."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.clone.path)
            return int(dvc(list(arguments)))

    def stages_run(self) -> list[Any]:
        """Reproduce and return the stages that were run."""
        with pytest.MonkeyPatch.context() as patch, Repo(str(self.clone.path)) as repo:
            patch.chdir(self.clone.path)
            return list(repo.reproduce())

    def is_well(self) -> bool:
        return self.verify("--remote")[0] == 0 and self.clone.files() == self.before


def flip_a_bit(path: Path) -> None:
    """Change the content, but neither the size nor the time, of a file that may be protected."""
    before = path.stat()
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut_off(path: Path) -> None:
    path.chmod(0o644)
    os.truncate(path, path.stat().st_size // 2)


DAMAGE: dict[str, Callable[[Path], None]] = {
    "a bit": flip_a_bit, "the end": cut_off, "the file": Path.unlink,
}  # fmt: skip


def fill_folder(path: Path) -> None:
    path.mkdir()
    (path / "file").touch()


ODD: dict[str, Callable[[Path], None]] = {
    "a FIFO": os.mkfifo,
    "a socket": lambda path: os.mknod(path, stat.S_IFSOCK | 0o600),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a symlink loop": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a directory": fill_folder,
}
