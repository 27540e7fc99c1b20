"""A full disk and a read-only folder: one line, nothing is lost, the next run completes."""

import functools
import re
import subprocess

import pytest

from tests.conftest import OUTS, Clone

# Run with mounts of its own, in a folder to keep what is left of a clone, $1, after each run.
ON_A_BAD_DISK = """
kept=$PWD
mkdir disk && mount -t tmpfs -o size=64m tmpfs disk && cp -a "$1/." disk && cd disk || exit 99
keep() { mkdir "$kept/$1" && cp -a data models metrics dvc.lock "$kept/$1"; }

mkdir scratch
cat /dev/zero > filler 2> /dev/null
truncate --size=-4K filler
TMPDIR=$PWD/scratch dvc repro && exit 98
rm filler
keep full

for folder in data models metrics; do
    mount --bind $folder $folder && mount -o remount,ro,bind $folder || exit 97
done
dvc repro && exit 96
umount data models metrics
keep read-only

dvc repro >&2 || exit 95
keep again
"""


@functools.cache
def with_mounts() -> list[str]:
    """Return the command that gives another mounts of its own; skip where there is none."""
    for command in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        mount = [*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        if not subprocess.run(mount, capture_output=True).returncode:
            return command
    pytest.skip("there is no right to mount a small disk")


SLOW = [
    pytest.param(stage, marks=pytest.mark.slow)
    for stage in ("prepare", "crossval", "train", "evaluate")
]


@pytest.mark.parametrize("stage", ["fetch", *SLOW])
def test_on_a_full_or_read_only_disk_nothing_is_lost_and_the_next_run_completes(
    undone, reproduced, tmp_path, stage
):
    clone, kept = undone(stage), Clone(tmp_path)
    done = kept.run(*with_mounts(), "sh", "-c", ON_A_BAD_DISK, "sh", str(clone.path))
    paths = "|".join(OUTS[stage])
    full = f"error: ({paths}): No space left on device"
    read_only = f"error: ({paths}): Read-only file system"
    # A curve that was written before the disk was full is in the way of DVC itself.
    of_dvc = f"ERROR: failed to reproduce '{stage}': .* Read-only file system: '.*/({paths})'"
    for error in (full, f"{read_only}|{of_dvc}"):
        assert [line for line in done.stderr.splitlines() if re.fullmatch(error, line)]
    assert "Traceback" not in done.stderr
    before, whole = clone.files(), reproduced.files()
    for run in ("full", "read-only"):
        left = Clone(tmp_path / run).files()
        if stage == "train":
            left.pop("metrics/history.csv", None)  # it is renewed while training goes on
        assert before.items() <= left.items() <= whole.items()
        assert Clone(tmp_path / run).read("dvc.lock") == reproduced.read("dvc.lock")
    assert Clone(tmp_path / "again").files() == whole


def test_a_full_remote_is_one_line_and_the_next_push_completes(copied):
    script = """
mkdir ../dvc-remote && mount -t tmpfs -o size=16k tmpfs ../dvc-remote || exit 99
classifier push && exit 98
find ../dvc-remote -name '*.tmp' | grep . && exit 97
mount -o remount,size=16m ../dvc-remote && classifier push
"""
    done = copied.run(*with_mounts(), "sh", "-c", script)
    assert done.stdout == "remote beside has everything that dvc.lock names\n"
    error, *_ = done.stderr.splitlines()
    assert re.fullmatch("error: cache to remote beside: .*No space left on device.*", error)
