"""The md5 of what a stage reads, as DVC records it."""

from collections.abc import Iterable
from pathlib import Path

from classifier.base.dvc_lock import read_lock
from classifier.base.files import list_of, md5_of, md5_of_bytes
from classifier.base.paths import DVC_IGNORE, LOCK

COMPILED = "__pycache__"
# What .dvcignore has as it ships, and what DVC ignores where it stands.
IGNORED = {".venv", COMPILED, "/data/*.tmp", "/models/*.tmp", "/metrics/*.tmp"}
OF_DVC = {".git", ".hg", ".dvc", ".dvcignore"}


def md5s_of(deps: Iterable[str]) -> dict[str, str]:
    """Return the md5 of each dep as DVC records it; what an earlier stage has made, it knows."""
    made = read_lock().outs() if LOCK.exists() else {}
    paths = (Path(dep) for dep in deps)
    return {
        path.as_posix(): made[str(path)].md5 if str(path) in made else md5_of_dep(path)
        for path in paths
        if path.exists()
    }


def md5_of_dep(path: Path) -> str:
    """Return the md5 of a file or a folder, without what DVC is told to ignore."""
    if not path.is_dir():
        return md5_of(path)
    md5s = {file.relative_to(path).as_posix(): md5_of(file) for file in files_of(path)}
    return md5_of_bytes(list_of(md5s)) + ".dir"


def files_of(folder: Path) -> list[Path]:
    """Return the files in a folder that DVC is not told to ignore, nor ignores by itself."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = {name for path in files for name in path.relative_to(folder).parts}
    above = [path / DVC_IGNORE for path in folder.parents if path != Path()]
    patterns = DVC_IGNORE.read_text("utf-8").split() if DVC_IGNORE.exists() else []
    if names.isdisjoint(OF_DVC) and {*patterns} <= IGNORED and not any(map(Path.exists, above)):
        return [path for path in files if IGNORED.isdisjoint(path.parts)]
    from dvc.fs import localfs  # slow
    from dvc.ignore import DvcIgnoreFilter

    top = folder.absolute()
    found = DvcIgnoreFilter(localfs, str(Path.cwd())).find(localfs, str(top))
    return [folder / Path(path).relative_to(top) for path in found]
