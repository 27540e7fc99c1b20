"""What was rebuilt, as an in-toto statement: SLSA provenance, which tools can sign and read.

Two of one commit, written on two machines, differ in nothing but the environment.
"""

import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from classifier.base.errors import UserError, require_file
from classifier.base.files import to_json
from classifier.base.paths import LOCK, PACKAGES, PARAMS
from classifier.commands.destination import write_to
from classifier.commands.rebuild.digests import Row, digest_of_file

STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
REPRO = "https://dvc.org/doc/command-reference/repro"


def write_statement(
    path: Path, commit: str, rows: Iterable[Row], clone: Path, environment: Any
) -> None:
    """Write what was made of a commit, from which locks and settings, and where.

    No md5: to those who check a statement, a file is the one if any of its digests is right.
    """
    locks = [resource(str(name), sha256(clone / name)) for name in (LOCK, PACKAGES, PARAMS)]
    source = {"name": "commit", "uri": f"git+commit:{commit}", "digest": {"gitCommit": commit}}
    build = {
        "buildType": REPRO,
        "externalParameters": {"command": "dvc repro --force"},
        "internalParameters": {"environment": environment},
        "resolvedDependencies": [source, *locks],
    }
    builder = {"id": f"pkg:generic/iris-classifier@{version('iris-classifier')}"}
    subject = [resource(row.path, row.rebuilt.sha256) for row in rows if row.rebuilt]
    statement = {
        "_type": STATEMENT,
        "subject": subject,
        "predicateType": PROVENANCE,
        "predicate": {"buildDefinition": build, "runDetails": {"builder": builder}},
    }
    write_to(path, to_json(statement))


def resource(name: str, sha256: str | None) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": sha256}}


def sha256(path: Path) -> str | None:
    digest = digest_of_file(path)
    return digest.sha256 if digest else None


def differences(path: Path) -> list[str]:
    """Return which files here are not those of a statement, a line each.

    Raises:
        UserError: it is not a statement.
    """
    try:
        read = json.loads(require_file(path).read_bytes())
        wanted = {one["name"]: one["digest"]["sha256"] for one in read["subject"]}
        if (read["_type"], read["predicateType"]) != (STATEMENT, PROVENANCE):
            raise ValueError(path)
        if len(wanted) < len(read["subject"]):  # one is named twice
            raise ValueError(path)
        _ = wanted[str(LOCK)]  # which names all others by md5
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: is not a statement of `classifier rebuild --attest`") from error
    found = {name: sha256(Path(name)) for name in wanted}
    return [
        f"{name}: SHA-256 is {found[name] or 'that of no file'}, {path} has {wanted[name]}"
        for name in wanted
        if found[name] != wanted[name]
    ]
