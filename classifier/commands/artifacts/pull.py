"""pull: `dvc pull` that believes neither the remote nor the commit."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from classifier.base.errors import UserError, listed, one_line
from classifier.base.paths import LOCK
from classifier.commands.artifacts.verify import Name, could_not_look, lines

if TYPE_CHECKING:
    from classifier.commands.artifacts.integrity import Finding

ALL = "all artifacts that dvc.lock names are here"
MADE = "`dvc repro` makes what is missing"
HINT = "not all artifacts are here; `classifier verify --remote --repair` may restore them"
REFUSED = "the commit or the remote cannot be trusted; no stage was run"


def pull(
    name: Name = None,
    missing: Annotated[
        bool,
        typer.Option("--missing", help="Before `dvc repro`: do not fail over what a remote lacks."),
    ] = False,
) -> None:
    """Get the artifacts that dvc.lock names from the remote.

    Each goes into the cache first, where every byte is verified, and lists of folders are searched
    for paths that lead elsewhere. Only then are they put into the workspace. An output stays as it
    is if anything in it is missing, damaged or refused, or if you have changed it and the changes
    are saved nowhere else. At the end every byte in the workspace is read.

    The exit code is 0 if all artifacts are here, 1 if something is missing, damaged, changed or
    refused, 2 if the remote cannot be reached.

    `make repro` runs it with --missing: then it says in one line where the artifacts came from or
    why `dvc repro` has to make them, and fails only if something is refused.

    \b
    Examples:
      classifier pull
      classifier pull --name backup
    """
    if missing and not LOCK.exists():
        return  # nothing was ever run
    with could_not_look(), remote_optional(missing):
        from classifier.commands.artifacts.integrity import Refused, filled_remote_of, opened
        from classifier.commands.artifacts.repair import Verified
        from classifier.commands.artifacts.transfer import bring
        from classifier.commands.revisions import added_files

        with opened() as repo:
            if missing and not any(out.status() for out in repo.index.outs if out.use_cache):
                return
            remote = lru_cache(lambda: filled_remote_of(repo, name))
            others = [path for path, is_other in added_files(repo).items() if is_other]
            others = [path for path in others if Path(path).exists()]
            files, left = bring(repo, remote)
            source = remote().name if remote.cache_info().currsize else "the cache"
    kept = {finding.file.path for finding in left}
    for path in (path for path in others if path not in kept):  # DVC has it, so nothing is lost
        print(f"{path}: was another version, now that of the commit")
    refused = any(isinstance(finding.problem, Refused) for finding in left)
    if missing and not refused:
        print(origin(source, left))
        return
    for line in lines(Verified(files, left, left)):
        print(line)
    print(REFUSED if missing else HINT if left else ALL)
    raise typer.Exit(1 if left else 0)


@contextmanager
def remote_optional(missing: bool) -> Iterator[None]:
    """Have no remote, or none that can be reached, be no error where `dvc repro` comes next."""
    try:
        yield
    except UserError as error:
        if not missing:
            raise
        why = one_line(str(error)).removeprefix("error: ")
        print(f"no artifacts pulled: {why}; {MADE}")
        raise typer.Exit(0) from error


def origin(source: str, left: list["Finding"]) -> str:
    """Say in a line where the artifacts are from, and how much is left for `dvc repro`."""
    if not left:
        return f"{ALL}, from {source}"
    from classifier.commands.artifacts.integrity import CHANGED, UNNAMED
    from classifier.commands.artifacts.transfer import UNSAVED

    changed = [one for one in left if one.problem in (CHANGED, UNNAMED, UNSAVED)]
    missing, told = [one for one in left if one not in changed], []
    if changed:
        told.append(f"changed here: {names_of(changed)}; `dvc repro` makes again what it has to")
    if missing:
        told.append(f"not on {source}, or damaged there: {names_of(missing)}; {MADE}")
    return "\n".join(told)


def names_of(left: list["Finding"]) -> str:
    return listed([*dict.fromkeys(finding.file.path for finding in left)])
