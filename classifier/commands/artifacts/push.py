"""push: `dvc push` that neither spreads damage nor leaves half a file on the remote."""

import typer

from classifier.base.errors import UserError
from classifier.commands.artifacts.verify import Name, could_not_look, lines


def push(name: Name = None) -> None:
    """Push the artifacts that dvc.lock names to the remote.

    The cache is verified first: if anything in it is damaged, nothing is pushed. Afterwards files
    of another size on the remote, as a push leaves them that was cut off, are pushed again; DVC
    takes them for the whole. `verify --remote` reads them.

    The exit code is 0 if the remote has everything, 1 if something is damaged or missing, 2 if the
    remote cannot be reached.

    \b
    Examples:
      classifier push
      classifier push --name backup
    """
    with could_not_look():
        from classifier.commands.artifacts.integrity import (
            DAMAGED,
            cache_of,
            check,
            opened,
            reached,
            recorded_files,
            remote_of,
        )
        from classifier.commands.artifacts.repair import Outcome, complete

        with opened() as repo:
            cache, remote = cache_of(repo), remote_of(repo, name)
            files = recorded_files(repo.index.outs, [cache])
            left = [finding for finding in check(files, [cache]) if finding.problem == DAMAGED]
            hint = "nothing was pushed; run `classifier verify --repair`"
            if not left:
                try:
                    with reached(remote.name):
                        repo.push(remote=name)
                except FileNotFoundError as error:
                    raise UserError(f"{remote.name}: there is no such folder; make it") from error
                left, hint = complete(files, cache, remote), f"not all of it is on {remote.name}"
    for line in lines(Outcome(files, left, left)):
        print(line)
    print(hint if left else f"{remote.name} has all that dvc.lock names")
    raise typer.Exit(1 if left else 0)
