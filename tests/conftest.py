"""Clones of the project to run the real pipeline in, and the settings of its sections."""

import fcntl
import importlib
import io
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import dvc.cli
import pytest
import yaml

from classifier import __main__ as command_line
from classifier.base.dvc_lock import read_lock
from classifier.base.files import write_text
from classifier.base.process import run
from classifier.base.run_inputs import record_of, recorded
from classifier.base.stage_inputs import checked_inputs
from stages import prepare

ROOT = Path(__file__).parent.parent

# Nothing but the installs may need a network: a request to anywhere but this machine fails.
OFFLINE = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}
QUIET = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "DVC_TEST": "1"}
NAMES = {
    f"GIT_{who}_{what}": "tester" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}
# A machine that is set up quite differently: one core, no oneDNN, other code by XLA, half floats by
# default.
OTHER_MACHINE = {
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit",
    "OMP_NUM_THREADS": "1",
    "PYTHONHASHSEED": "7",
    "TZ": "Asia/Tokyo",
    "LC_ALL": "C",
}

# Root may do anything, so it must be told not to.
AS_ANYBODY = (
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if not os.geteuid() else []
)

# What each stage writes.
OUTS = {
    stage: [
        out if isinstance(out, str) else next(iter(out))
        for kind in ("outs", "metrics", "plots")
        for out in definition.get(kind, [])
    ]
    for stage, definition in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items()
}


def pytest_configure() -> None:
    """Let tests find the commands of this environment, and be in no `make` that runs them."""
    commands = [str(ROOT / "tests/bin"), f"{sys.prefix}/bin", os.environ["PATH"]]
    os.environ["PATH"] = os.pathsep.join(commands)
    for variable in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):  # a `make` of a test would write more
        os.environ.pop(variable, None)


@pytest.fixture(scope="session", autouse=True)
def site_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have DVC keep what it knows of all clones where it goes away again."""
    os.environ["DVC_SITE_CACHE_DIR"] = str(tmp_path_factory.mktemp("site-cache"))


class Clone:
    """A git clone of the project in a folder of its own, and commands run in it."""

    def __init__(self, path: Path, **environment: str) -> None:
        self.path = path
        self.environment = os.environ | OFFLINE | QUIET | NAMES | environment

    def run(
        self, *command: str, check: bool = True, **options: Any
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in the clone; its output is on the result, and in the test's report."""
        done = subprocess.run(
            command,
            cwd=self.path,
            env=self.environment,
            text=True,
            capture_output=True,
            **options,
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Make it the current folder of this process, with its environment."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.path)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            yield

    def dvc(self, *arguments: str) -> str:
        """Run DVC in this process, which saves a second; return what it writes, and logs."""
        with self.entered(), redirect_stdout(io.StringIO()) as output, logged(output):
            code = dvc.cli.main(list(arguments))
        if code:
            pytest.fail(f"dvc {' '.join(arguments)}: exit {code}\n{output.getvalue()}")
        return output.getvalue()

    def classifier(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run `classifier` in this process; the result is like that of `run`."""
        return self.called(command_line.main, ["classifier", *arguments], check)

    def stage(self, name: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run `python -m stages.NAME` in this process; the result is like that of `run`."""
        main = importlib.import_module(f"stages.{name}").main
        return self.called(lambda: run(main), [f"stages.{name}"], check)

    def reproduce(self, *stages: str) -> str:
        """Run stages as `dvc repro` does, but in this process, without importing Keras anew.

        The others count as run. Returns what the last one wrote on standard error.
        """
        done = ""
        for name in stages:
            with self.entered(), checked_inputs(name):
                done = self.stage(name).stderr
            self.dvc("commit", "--force", name)
        self.dvc("commit", "--force")
        self.record_others(*stages)
        return done

    def record_others(self, *stages: str) -> None:
        """Have the other stages record what dvc.lock says of them."""
        lock = read_lock(self.path / "dvc.lock")
        records = {record_of(name): self.path / record_of(name) for name in lock.stages}
        found = {path: here.read_bytes() for path, here in records.items() if here.exists()}
        if others := {line.split()[0] for line in lock.other_runs(found)} - {*stages}:
            for name in others:
                md5s = {dep.path: dep.md5 for dep in lock.stages[name].deps}
                write_text(records[record_of(name)], recorded(lock.params(name), md5s))
            self.dvc("commit", "--force")

    def called(
        self, main: Callable[[], None], command: list[str], check: bool
    ) -> "subprocess.CompletedProcess[str]":
        written = io.BytesIO(), io.BytesIO()
        output, errors = (io.TextIOWrapper(file, "utf-8", write_through=True) for file in written)
        code: Any = 0
        with (
            self.entered(),
            pytest.MonkeyPatch.context() as patch,
            redirect_stdout(output),
            redirect_stderr(errors),
        ):
            patch.setattr("sys.argv", command)
            patch.setattr(command_line, "warn_of_other_code", lambda: None)
            try:
                main()
            except SystemExit as ended:
                code = ended.code or 0
        if isinstance(code, str):  # as Python does at its end
            print(code, file=errors)
            code = 1
        texts = [file.getvalue().decode() for file in written]
        if check and code:
            pytest.fail(f"{' '.join(command)}: exit {code}\n{''.join(texts)}")
        return subprocess.CompletedProcess(command, code, *texts)

    def git(self, *arguments: str) -> str:
        return self.run("git", *arguments).stdout

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def clone(self, path: Path) -> "Clone":
        self.git("clone", "--quiet", ".", str(path))
        return Clone(path)

    def copy(self, path: Path) -> "Clone":
        """Return a copy, cache and all, with its results committed."""
        copy = Clone(shutil.copytree(self.path, path, symlinks=True))
        if copy.git("status", "--porcelain"):
            copy.commit("The results on this machine")
        return copy

    def read(self, path: str) -> str:
        return (self.path / path).read_text()

    def edit(self, path: str, old: str, new: str) -> None:
        text = self.read(path)
        assert text.count(old) == 1, f"{old!r} stands once in {path}"
        (self.path / path).write_text(text.replace(old, new))

    @staticmethod
    def stages_run(output: str) -> list[str]:
        """Return the stages that the output of `dvc repro` says were run."""
        assert "tage '" in output, "it says of each stage that it is run, or why not"
        return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running")]

    def files(self) -> dict[str, bytes]:
        """Return the content of every file under data, models and metrics."""
        found = (
            path for top in ("data", "models", "metrics") for path in (self.path / top).rglob("*")
        )
        return {str(p.relative_to(self.path)): p.read_bytes() for p in found if p.is_file()}


@contextmanager
def logged(stream: io.StringIO) -> Iterator[None]:
    """Let DVC log to the stream too: its own handlers keep the output that it was imported with."""
    handler, logger = logging.StreamHandler(stream), logging.getLogger("dvc")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)


@pytest.fixture(scope="session")
def once(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, Callable[[Path], object]], Path]:
    """Makes the content of a folder, the first of the test processes that needs it for them all."""
    root = tmp_path_factory.getbasetemp()
    shared = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder = shared / name
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                making = shared / f"{name}.making"
                making.mkdir()
                make(making)
                making.rename(folder)
        return folder

    return once


@pytest.fixture(scope="session")
def origin(once) -> Clone:
    """The project as it is in the working tree, committed to a git repository of its own."""

    def make(folder: Path) -> None:
        listed = Clone(ROOT).git("ls-files", "--cached", "--others", "--exclude-standard", "-z")
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        Clone(folder).git("init", "--quiet", "--initial-branch", "main")
        Clone(folder).commit("The project")
        Clone(folder).git("gc", "--quiet")  # one file to copy in place of hundreds

    return Clone(once("origin", make))


@pytest.fixture
def fresh(origin: Clone, tmp_path: Path) -> Clone:
    """A fresh clone: nothing has been run in it."""
    return origin.clone(tmp_path / "clone")


@pytest.fixture(scope="session")
def reproduced(origin: Clone, once) -> Clone:
    """A clone after `make repro`; for reading only, the tests share it."""
    return Clone(
        once("reproduced", lambda folder: make_repro(origin.clone(folder / "clone"))) / "clone"
    )


@pytest.fixture(scope="session")
def elsewhere(origin: Clone, once) -> Clone:
    """Another clone after `make repro`, run as on another machine."""

    def make(folder: Path) -> None:
        clone, home = origin.clone(folder / "much" / "deeper" / "clone"), folder / "home"
        (home / ".keras").mkdir(parents=True)
        (home / ".keras" / "keras.json").write_text('{"floatx": "float16", "backend": "jax"}')
        clone.environment |= OTHER_MACHINE | {"HOME": str(home)}
        make_repro(clone, "taskset", "--cpu-list", "0")

    return Clone(once("elsewhere", make) / "much" / "deeper" / "clone")


def make_repro(clone: Clone, *prefix: str) -> None:
    (clone.path / ".venv").symlink_to(sys.prefix)
    (clone.path / "metrics/crossval.json").unlink()  # what git holds would not be made again
    clone.run(*prefix, "make", "repro")


@pytest.fixture
def copied(reproduced: Clone, tmp_path: Path) -> Clone:
    """A copy of the reproduced clone, cache and all, for a test to change."""
    return reproduced.copy(tmp_path / "clone")


@pytest.fixture
def undone(reproduced: Clone, tmp_path: Path) -> Callable[[str], Clone]:
    """Makes a clone in which one stage is left to do, and nothing knows its results."""

    def undone(stage: str) -> Clone:
        path = tmp_path / "clone"
        shutil.rmtree(path, ignore_errors=True)
        clone = reproduced.copy(path)
        shutil.rmtree(path / ".dvc/cache/runs")
        recorded = read_lock(path / "dvc.lock").outs()
        for out in OUTS[stage]:
            (shutil.rmtree if (path / out).is_dir() else os.unlink)(path / out)
            (path / ".dvc/cache/files/md5" / recorded[out].md5[:2] / recorded[out].md5[2:]).unlink(
                missing_ok=True
            )
        return clone

    return undone


@pytest.fixture(scope="session")
def pushed(reproduced: Clone, once) -> Path:
    """A folder with a clone and the remote that it has pushed to; for reading only."""
    folder: Path = once("pushed", lambda folder: reproduced.copy(folder / "clone").dvc("push"))
    return folder


@pytest.fixture
def shared(pushed: Path, tmp_path: Path):
    """A copy of the clone that has pushed, with its remote, for a test to damage."""
    from tests.sharing import Shared  # which needs this file

    shutil.copytree(pushed, tmp_path, symlinks=True, dirs_exist_ok=True)
    return Shared(Clone(tmp_path / "clone"))


@pytest.fixture(scope="session")
def compared(reproduced: Clone, once) -> Clone:
    """A clone with a second commit, which trains for fewer epochs; for reading only."""

    def make(folder: Path) -> None:
        clone = reproduced.copy(folder / "clone")
        clone.edit("params.yaml", "epochs: 150", "epochs: 20")
        clone.reproduce("crossval", "train", "evaluate")
        clone.commit("Train for 20 epochs")

    return Clone(once("compared", make) / "clone")


@pytest.fixture(scope="session")
def quick(origin: Clone, once) -> Path:
    """A folder with a clone whose stages take no time, and its remotes; for reading only."""
    from tests.sweeping import make_quick  # which needs this file

    folder: Path = once("quick", lambda folder: make_quick(origin.clone(folder / "clone")))
    return folder


@pytest.fixture
def swept(quick: Path, tmp_path: Path):
    """A copy of the clone whose stages take no time, with its remotes, to sweep in."""
    from tests.sweeping import Swept

    shutil.copytree(quick, tmp_path, symlinks=True, dirs_exist_ok=True)
    return Swept(tmp_path / "clone")


@pytest.fixture(scope="session")
def params() -> dict[str, Any]:
    """The params.yaml that the project ships with."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
    return loaded


@pytest.fixture
def project(
    tmp_path: Path, params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Makes an empty folder the current one, with the params as shipped except for the overrides.

    `project(train={"epochs": 3})` for stages that are run in this process.
    """

    def make(**overrides: dict[str, Any]) -> Path:
        changed = {name: section | overrides.get(name, {}) for name, section in params.items()}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed))
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return make


@pytest.fixture
def prepared(project: Callable[..., Path]) -> Callable[..., Path]:
    """Prepares a table and returns the folder with the result."""

    def prepared(table: str | bytes, **settings: object) -> Path:
        folder = project(prepare=settings)
        (folder / "data").mkdir(exist_ok=True)
        content = table.encode() if isinstance(table, str) else table
        (folder / "data/raw.csv").write_bytes(content)
        prepare.main()
        return folder / "data/prepared"

    return prepared
