"""pull: `dvc pull` that believes neither the remote nor the commit."""

from functools import lru_cache

import typer

from classifier.commands.artifacts.verify import Name, could_not_look, lines

HINT = "not all artifacts are here; `classifier verify --remote --repair` may bring them"


def pull(name: Name = None) -> None:
    """Get the artifacts that dvc.lock names from the remote.

    Each goes into the cache and is verified there, all its bytes; the lists of folders too, for
    paths that lead elsewhere. Only then are they put into the workspace. An output of which
    anything is missing, damaged or refused stays as it is, and so does one with changes of yours
    that no other place has. At last the workspace is read, every byte.

    The exit code is 0 if all artifacts are here, 1 if something is missing, damaged, changed or
    refused, 2 if the remote cannot be reached.

    \b
    Examples:
      classifier pull
      classifier pull --name backup
    """
    with could_not_look():
        from classifier.commands.artifacts.integrity import (
            cache_of,
            check,
            filled_remote_of,
            opened,
            recorded_file,
            recorded_files,
            unnamed,
            workspace_of,
        )
        from classifier.commands.artifacts.repair import Verified
        from classifier.commands.artifacts.transfer import check_out, fetch

        with opened() as repo:
            cache = cache_of(repo)
            remote = lru_cache(lambda: filled_remote_of(repo, name))
            outs = [out for out in repo.index.outs if out.use_cache]
            fetch([recorded_file(out) for out in outs if out.hash_info.isdir], cache, remote)
            files, left = recorded_files(outs, [cache])
            left += fetch(files, cache, remote)
            wrong = {finding.file.out for finding in left}
            repo.drop_data_index()  # DVC remembers lists in it that it has not verified
            for out in filter(lambda out: out not in wrong, outs):
                left += check_out(out, [file for file in files if file.out is out])
            wrong |= {finding.file.out for finding in left}
            files += [recorded_file(out) for out in repo.index.outs if not out.use_cache]
            put, workspace = [f for f in files if f.out not in wrong], [workspace_of(repo)]
            left += unnamed(put, workspace) + check(put, workspace)  # DVC goes by times and sizes
    for line in lines(Verified(files, left, left)):
        print(line)
    print(HINT if left else "all artifacts that dvc.lock names are here")
    raise typer.Exit(1 if left else 0)
