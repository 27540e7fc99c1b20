"""Whether another run writes artifacts while one is reported."""

import json
from pathlib import Path

from psutil import pid_exists

RWLOCK = Path(".dvc/tmp/rwlock")  # who reads and writes what, by DVC


def run_under_way() -> str:
    """Say which process writes artifacts at this moment, as DVC has it, or "" if none does.

    DVC notes no host, and what it noted of a process that was killed stays.
    """
    try:
        noted = json.loads(RWLOCK.read_bytes())["write"].values()
        process = next(one for one in noted if one)
        program, *arguments = process["cmd"].split(" ")
        pid, command = process["pid"], " ".join([Path(program).name, *arguments])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration):
        return ""
    where = "here" if pid_exists(pid) else "on another machine, or was killed"
    return f"`{command}` is running {where} (process {pid})"
