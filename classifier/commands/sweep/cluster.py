"""Trials on a Dask cluster: the cores of this machine, or a scheduler that runs somewhere."""

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from classifier.base import errors, files, run_inputs
from classifier.base.errors import UserError
from classifier.base.progress import Progress
from classifier.commands import git as git_module
from classifier.commands.git import git
from classifier.commands.sweep import trial as trial_module
from classifier.commands.sweep.experiments import Baseline, Trial
from classifier.commands.sweep.trial import CACHE, Outcome, Setup, run_trial

FOLDER = Path(".dvc/tmp/sweep")  # logs, and clones while their trials run; git does not see it
INSTALL = "uv pip install --requirement pyproject.toml --extra sweep --constraint requirements.txt"
LOOK = 0.1  # seconds between two looks whether a trial has ended
LOOPBACK = "127.0.0.1"
PATIENCE = 10  # seconds for a scheduler to answer

try:
    import cloudpickle
    from distributed import Client, Future, LocalCluster
    from distributed.comm import CommClosedError
except ImportError as error:
    raise UserError(f"sweeps need packages that are not installed: `{INSTALL}`") from error


@contextmanager
def connected(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    """Yield a client of the scheduler, or of one in this process that runs trials on its cores.

    Raises:
        UserError: the scheduler does not answer, now or later.
    """
    send_code()
    # What they say of a cluster that goes is said in one line here.
    for logger in ("asyncio", "distributed", "distributed.client"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    if not scheduler:
        with local_cluster(workers) as cluster, Client(cluster) as client:
            say_where_to_look(f"http://{LOOPBACK}:{cluster.scheduler.services['dashboard'].port}")
            yield client
        return
    try:
        client = Client(scheduler, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise UserError(f"{scheduler}: no Dask scheduler answers at this address") from error
    with client:
        say_where_to_look(client.dashboard_link)
        if not client.nthreads():
            print(f"{scheduler}: has no workers yet; trials will wait for them", file=sys.stderr)
        yield client


def send_code() -> None:
    """Have the code of a trial sent with it, as workers do not have this project."""
    for module in (trial_module, files, errors, git_module, run_inputs):
        cloudpickle.register_pickle_by_value(module)


def say_where_to_look(dashboard: str) -> None:
    print(f"Dask's dashboard: {dashboard}", file=sys.stderr)


def local_cluster(workers: int | None) -> LocalCluster:
    """Return threads that wait for trials; the trials are processes anyway."""
    from dask.system import CPU_COUNT

    FOLDER.mkdir(parents=True, exist_ok=True)
    return LocalCluster(
        n_workers=1,
        threads_per_worker=workers or CPU_COUNT,
        processes=False,
        memory_limit=0,
        local_directory=str(FOLDER.absolute()),
        dashboard_address=f"{LOOPBACK}:0",
        worker_dashboard_address=f"{LOOPBACK}:0",
        silence_logs=logging.CRITICAL,
    )


def setup_of(baseline: Baseline, remote: str | None) -> Setup:
    """Return how trials get their clone and their data, and where their results go.

    remote: a git remote, which goes with DVC's default remote; None: this repository and its cache.

    Raises:
        UserError: a remote is missing or has not the commit.
    """
    setup = Setup(
        commit=baseline.commit,
        refs=baseline.refs,
        git=url_of(remote) if remote else git("rev-parse", "--show-toplevel").strip(),
        config=dvc_config(shared=not remote),
        shared=not remote,
        author=author(),
    )
    if remote:
        require_pushed(baseline.commit, remote)
    return setup


def url_of(remote: str) -> str:
    """Return the URL of a git remote, which may be one; a folder's is absolute."""
    named = remote in git("remote").split()
    url = git("remote", "get-url", "--push", remote).strip() if named else remote
    return str(Path(url).absolute()) if Path(url).exists() else url


def require_pushed(commit: str, remote: str) -> None:
    """Raise `UserError` unless a branch or tag of the remote has the commit."""
    git("fetch", "--quiet", remote)
    branches = git("ls-remote", remote, "refs/heads/*", "refs/tags/*").splitlines()
    if not any(is_ancestor(commit, line.split()[0]) for line in branches):
        raise UserError(f"{remote}: does not have the commit {commit[:7]}; `git push` it first")


def is_ancestor(commit: str, tip: str) -> bool:
    command = ["git", "merge-base", "--is-ancestor", commit, tip]
    return subprocess.run(command, capture_output=True).returncode == 0


def dvc_config(shared: bool) -> dict[str, dict[str, str]]:
    """Return what trials cannot know: where the cache is, and the folder that is the remote.

    Raises:
        UserError: there is no remote.
    """
    from dvc.repo import Repo

    with Repo() as repo:
        if shared:
            return {"cache": CACHE | {"dir": repo.cache.local_cache_dir}}
        committed = repo.config.load_one("repo").get("cache", {}).get("dir")
    cache = {"cache": {"dir": str(committed)}} if committed else {}
    return cache | {f'remote "{name}"': remote for name, remote in default_remote().items()}


def default_remote() -> dict[str, dict[str, str]]:
    """Return the name of DVC's default remote with what to set of it besides what is committed.

    What comes from it is verified; what is damaged does not come. A folder's path is absolute.

    Raises:
        UserError: there is no remote, or not the package for it.
    """
    from dvc.exceptions import DvcException
    from dvc.fs import get_cloud_fs
    from dvc.repo import Repo

    with Repo() as repo:
        name = repo.config["core"].get("remote")
        if not name:
            raise UserError("there is no default DVC remote to share data through")
        try:
            remote, _, path = get_cloud_fs(repo.config, name=name)
        except DvcException as error:
            raise UserError(f"{name}: {error}") from error
    return {name: {"verify": "true"} | ({"url": path} if remote.protocol == "local" else {})}


def author() -> dict[str, str]:
    """Return the environment that makes workers commit in the name of whoever has asked."""
    name, _, rest = git("var", "GIT_AUTHOR_IDENT").partition(" <")
    who = {"NAME": name, "EMAIL": rest.partition(">")[0]}
    return {f"GIT_{role}_{key}": who[key] for role in ("AUTHOR", "COMMITTER") for key in who}


def run_trials(
    client: Client,
    setup: Setup,
    ask: Callable[[], Trial | None],
    ended: Callable[[Trial, Outcome], None],
    watch: Callable[[int], None],
    one_by_one: bool,
) -> None:
    """Run the trials that `ask` returns until it returns None.

    ended: is told of each. watch: is called often, with the number of trials that are running.
    one_by_one: whether a trial is asked for only when there is a thread to run it.

    Raises:
        UserError: the scheduler is lost.
    """
    running: dict[Future, Trial] = {}
    try:
        while True:
            threads = sum(client.nthreads().values())
            while not one_by_one or len(running) < max(1, threads):
                trial = ask()
                if trial is None:
                    break
                running[submit(client, trial, setup)] = trial
            if not running:
                return
            for future in first_ended(client, running, partial(watch, min(len(running), threads))):
                if future.status != "lost":  # with its worker; Dask runs the trial again
                    ended(running.pop(future), outcome_of(client, future))
    except (CommClosedError, OSError) as error:
        if client.status == "running":
            raise
        raise lost(client) from error
    finally:
        if client.status == "running":
            client.cancel(list(running))


def submit(client: Client, trial: Trial, setup: Setup) -> Future:
    """Start a trial; two sweeps of one scheduler that have it in common run it once."""
    from dask.base import tokenize

    key = f"{trial.name}-{tokenize(setup['git'], setup['shared'])[:10]}"
    # Dask sends a function that has a name by that name, which workers do not know.
    return client.submit(
        lambda *arguments: run_trial(*arguments), trial.name, trial.overrides, setup, key=key
    )


def first_ended(
    client: Client, running: dict[Future, Trial], watch: Callable[[], None]
) -> list[Future]:
    """Return the trials that have ended, as soon as there is one."""
    while True:
        watch()
        if client.status != "running":
            raise lost(client)
        if ended := [future for future in running if future.done()]:
            return ended
        time.sleep(LOOK)


def outcome_of(client: Client, future: Future) -> Outcome:
    if future.status == "finished":
        outcome: Outcome = future.result()
        return outcome
    if future.status == "error":  # it has taken several workers with it, or cannot be run there
        error = future.exception()
        return {"failed": str(error) or type(error).__name__, "log": ""}
    raise lost(client)


def lost(client: Client) -> UserError:
    return UserError(
        f"{client.scheduler.address}: the scheduler is lost; what is finished is kept, "
        "run the same command to continue"
    )


def pull_artifacts(names: Collection[str], refs: str) -> None:
    """Get the artifacts of experiments from DVC's default remote, and what was run to make them.

    Raises:
        UserError: not all of them came, or one is damaged.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc_objects.errors import ObjectFormatError

    # For a commit DVC takes a relative path from / (https://github.com/treeverse/dvc/issues/10054).
    with Repo(config={"remote": default_remote()}) as repo:
        try:
            repo.fetch(revs=[f"{refs}{name}" for name in names], workspace=False, run_cache=True)
        except (DvcException, ObjectFormatError, OSError) as error:
            raise UserError(f"not all artifacts came: {error}; try again") from error
    require_artifacts({name: f"{refs}{name}" for name in names})


def require_artifacts(revisions: dict[str, str]) -> None:
    """Raise `UserError` if an artifact of an experiment is not, or not whole, in the cache.

    DVC warns of what its remote lacks, and takes that for a success.
    """
    from dvc.repo import Repo

    from classifier.commands.artifacts.integrity import (
        File,
        Finding,
        cache_of,
        check,
        loaded,
        recorded_files,
    )
    from classifier.commands.revisions import repo_at

    files: dict[str, tuple[File, str]] = {}
    wrong: list[Finding] = []
    bar = {"desc": "artifacts", "total": len(revisions), "unit": "trial"}
    for name, revision in Progress(iterable=revisions.items(), **bar):
        with repo_at(revision) as repo:
            outs = [out for out in loaded(repo).outs if out.use_cache]
            found, refused = recorded_files(outs, [cache_of(repo)])
            wrong += refused
            files |= {file.md5: (file, name) for file in found}
    with Repo() as repo:
        wrong += check([file for file, _ in files.values()], [cache_of(repo)])
    if wrong:
        file, _, problem = wrong[0]
        more = f" and {len(wrong) - 1} more" if wrong[1:] else ""
        raise UserError(
            f"not all artifacts came: {file.path} of {files[file.md5][1]}: {problem}{more}; "
            "try again"
        )
