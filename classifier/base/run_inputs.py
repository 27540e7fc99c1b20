"""What a stage was run with, as it has recorded itself, beside what dvc.lock says of it.

`dvc commit` and `dvc exp save` write to dvc.lock, and to DVC's run cache, what params and files are
at that time, whatever the stage was run with.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from classifier.base.paths import INPUTS, PARAMS


def record_of(stage: str) -> Path:
    """Return where a stage records what it was run with."""
    return INPUTS / f"{stage}.json"


def records_here() -> dict[Path, bytes]:
    """Return what the stages have recorded, as it is in the workspace."""
    return {path: path.read_bytes() for path in INPUTS.glob("*.json") if path.is_file()}


def recorded(params: Mapping[str, Any], md5s: Mapping[str, str]) -> str:
    """Return the record of a run: its params, as `section.key`, and the md5 of each dep.

    They are sorted: DVC does not go by their order.
    """
    run = {"params": params, "deps": md5s}
    return json.dumps(run, indent=2, sort_keys=True, default=str) + "\n"


def differences(record: bytes, stage: Mapping[str, Any]) -> list[str]:
    """Return the params and deps of which dvc.lock says something else than the record.

    What one of them does not name cannot differ: the record has no dep behind a URL, nor one that
    dvc.yaml names by a template.

    stage: what dvc.lock says of it.
    """
    of_stage = stage.get("params", {}).get(str(PARAMS), {})
    params = dict(leaf for name, value in of_stage.items() for leaf in flat(name, value))
    md5s = {dep["path"]: dep.get("md5") for dep in stage.get("deps", [])}
    try:
        # Where DVC folds a long text, it may lose one of two spaces.
        texts = (" ".join(text.split()) for text in (recorded(params, md5s), record.decode()))
        claimed, run = ({**each["params"], **each["deps"]} for each in map(json.loads, texts))
    except (KeyError, TypeError, ValueError):  # somebody has edited it, and `dvc commit` took it
        return [str(INPUTS)]
    return [name for name, value in claimed.items() if run.get(name, value) != value]


def flat(key: str, value: Any) -> list[tuple[str, Any]]:
    """Return the params of a section, as `section.key`, or the one that the key names."""
    if "." in key or not isinstance(value, dict):
        return [(key, value)]
    return [(f"{key}.{name}", value[name]) for name in value]
