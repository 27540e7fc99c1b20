"""A clone to sweep in, and eight trials in it."""

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import measure

SWEEPS = "sweeps"
TRIALS = 8
# Others than those of the peers, which would find them in the run cache.
OURS, THEIRS = ([f"{rate + at / 1000:g}" for at in range(TRIALS)] for rate in (0.002, 0.0025))
SWEEP = [
    sys.executable, "-m", "classifier", "sweep", "--workers", "2",
    "--metric", "evaluation.train.accuracy",
    "-S", "crossval.folds=0", "-S", f"train.learning_rate={','.join(OURS)}",
]  # fmt: skip


def forget_trials(clone: Path) -> None:
    """Make a clone in the clone, reproduced and committed, or forget the trials of the last one."""
    folder = clone / SWEEPS
    if not folder.exists():
        git(clone, "clone", "--quiet", ".", str(folder))
        for key in ("user.name", "user.email"):
            git(folder, "config", key, "bench")
        measure(["dvc", "repro"], folder, clone)
        git(folder, "commit", "--quiet", "--all", "--allow-empty", "--message", "The results here")
    git(folder, "reset", "--quiet", "--hard")
    measure(["dvc", "checkout"], folder, clone)
    for ref in git(folder, "for-each-ref", "--format=%(refname)", "refs/exps").split():
        git(folder, "update-ref", "-d", ref)
    for left in (".dvc/cache/runs", ".dvc/tmp/exps"):
        shutil.rmtree(folder / left, ignore_errors=True)


def git(folder: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
