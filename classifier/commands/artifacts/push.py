"""push: `dvc push` that neither spreads damage nor leaves half a file on the remote."""

import sys

import typer

from classifier.base.errors import UserError, listed
from classifier.commands.artifacts.verify import Name, could_not_look, lines


def push(name: Name = None) -> None:
    """Push the artifacts that dvc.lock names to the remote.

    The cache is verified first: if anything in it is damaged, nothing is pushed. Files whose size
    on the remote is wrong, as after a push that was cut off, are pushed again; DVC would take them
    for complete. `verify --remote` reads what is there.

    Nor is anything pushed while the commit lacks dvc.lock or what it was made from: the table, a
    test set, code, params. If the table must not be in git, use `dvc add` or `dvc import-url`: it
    is then pushed with the artifacts.

    The exit code is 0 if the remote has everything, 1 if something is damaged, missing or not
    committed, 2 if the remote cannot be reached.

    \b
    Examples:
      classifier push
      classifier push --name backup
    """
    with could_not_look():
        from classifier.commands.artifacts.integrity import (
            cache_of,
            check,
            damaged,
            opened,
            recorded_files,
            remote_of,
            same_size,
        )
        from classifier.commands.artifacts.reach import out_of_reach, warnings
        from classifier.commands.artifacts.repair import Verified
        from classifier.commands.artifacts.transfer import fill

        with opened() as repo:
            cache, remote = cache_of(repo), remote_of(repo, name)
            unreached = list(out_of_reach(repo))
            files, left = recorded_files(repo.index.outs, [cache, remote])
            left += damaged(files, cache)
            hint = "nothing was pushed" + ("; run `classifier verify --repair`" if left else "")
            if not left and not unreached:
                try:
                    fill(check(files, [remote], same_size), cache)
                except FileNotFoundError as error:
                    raise UserError(f"{remote.name}: there is no such folder; make it") from error
                left, hint = check(files, [remote], same_size), f"{remote.name} lacks some of it"
            told = [*warnings(repo, remote.name.removeprefix("remote "))]
            kept_here = [str(out) for out in repo.index.outs if out.use_cache and not out.can_push]
    for line in [*lines(Verified(files, left, left)), *unreached]:
        print(line)
    for line in told:
        print(line, file=sys.stderr)
    but = f", except for what has push: false: {listed(kept_here)}" if kept_here else ""
    everything = f"{remote.name} has everything that dvc.lock names{but}"
    print(hint if left or unreached else everything)
    raise typer.Exit(1 if left or unreached else 0)
