"""rebuild: what is shared is what the commit makes; a byte that is another is refused."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from google.protobuf.json_format import Parse, ParseDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

from classifier.base.dvc_lock import read_lock
from classifier.commands.rebuild.command import environment_lines, environment_of
from classifier.commands.rebuild.statement import PROVENANCE, STATEMENT
from tests.conftest import Clone
from tests.sharing import flip_a_bit
from tests.sweeping import wait_until

PIPELINE = """stages:
  fetch:
    cmd: cp data/source/iris.data data/raw.csv
    deps: [data/source/iris.data]
    outs: [data/raw.csv]
  count:
    cmd: mkdir metrics/counts && wc -l < data/raw.csv | tee metrics/counts/rows > metrics/rows.csv
    deps: [data/raw.csv]
    outs: [metrics/counts]
    metrics: [metrics/rows.csv: {cache: false}]
"""
FILES = ["data/raw.csv", "metrics/counts/rows", "metrics/rows.csv", "dvc.lock"]
SAME = "4 of 4 are the same by SHA-256; compared with the commit, remote beside and cache"


@pytest.fixture(scope="module")
def small(origin: Clone, once) -> Path:
    """A folder with a clone of two short stages, and the remote that it has pushed to."""

    def make(folder: Path) -> None:
        clone = origin.clone(folder / "clone")
        clone.git("rm", "-rq", "dvc.lock", "metrics/.gitignore")
        (clone.path / "dvc.yaml").write_text(PIPELINE)
        clone.dvc("repro")
        clone.commit("Two short stages")
        clone.dvc("push")

    folder: Path = once("small", make)
    return folder


@pytest.fixture
def clone(small: Path, tmp_path: Path) -> Clone:
    """A copy of it, with its remote, for a test to change."""
    Clone(small).run("cp", "-a", ".", str(tmp_path / "here"))
    return Clone(tmp_path / "here/clone")


def rebuild(clone: Clone, *arguments: str) -> tuple[int, list[str]]:
    done = clone.classifier("rebuild", "--same-environment", *arguments, check=False)
    return done.returncode, done.stdout.splitlines()


def cells(shown: list[str]) -> dict[str, list[str]]:
    """Return expected, rebuilt and same of each artifact in the table."""
    table = shown[2 : shown.index(next(line for line in shown if " the same by SHA" in line))]
    return {line.split()[0]: line.split(maxsplit=3)[1:] for line in table}


def stored(clone: Clone, path: str) -> Path:
    """Return where the remote keeps a file."""
    md5 = read_lock(clone.path / "dvc.lock").outs()[path].md5
    return clone.path.parent / "dvc-remote/files/md5" / md5[:2] / md5[2:]


def test_all_is_made_anew_and_the_same(clone):
    (clone.path / "data/source/iris.data").write_text("an edit that is not committed")
    code, shown = rebuild(clone)
    assert (code, shown[-1]) == (0, SAME)
    assert list(cells(shown)) == FILES
    assert all(e == r and same == "yes" for e, r, same in cells(shown).values())
    assert len({expected for expected, *_ in cells(shown).values()}) == 3, "two have the same bytes"


def test_what_is_checked_out_here_stays_in_a_hook_or_an_alias(clone, monkeypatch):
    """Where git has set GIT_DIR."""
    clone.git("commit", "--quiet", "--allow-empty", "--message", "Nothing new")
    monkeypatch.setenv("GIT_DIR", str(clone.path / ".git"))
    assert rebuild(clone, "HEAD~1")[0] == 0
    monkeypatch.delenv("GIT_DIR")
    assert clone.git("symbolic-ref", "HEAD").strip() == "refs/heads/main"
    assert clone.git("status", "--porcelain") == ""


def test_a_byte_of_an_artifact_on_the_remote_is_refused(clone, tmp_path):
    flip_a_bit(stored(clone, "data/raw.csv"))
    code, shown = rebuild(clone, "--attest", str(tmp_path / "statement"))
    assert code == 1
    assert [path for path, (*_, same) in cells(shown).items() if same == "no"] == ["data/raw.csv"]
    assert shown[5 + 1].startswith("3 of 4 are the same")
    assert shown[7].startswith("first difference: data/raw.csv, of fetch: expected SHA-256 ")
    assert shown[7].endswith(": `classifier verify --remote` finds the damage")
    assert shown[-1] == f"{tmp_path / 'statement'}: not written"
    assert not (tmp_path / "statement").exists()


def test_a_byte_of_the_lock_is_refused(clone):
    md5 = read_lock(clone.path / "dvc.lock").outs()["metrics/rows.csv"].md5
    clone.edit(
        "dvc.lock", f"{md5}\n      size: 4\n", f"{md5[:-1]}{'ab'[md5[-1] == 'a']}\n      size: 4\n"
    )
    clone.commit("Another md5")
    code, shown = rebuild(clone)
    assert code == 1
    assert [path for path, (*_, same) in cells(shown).items() if same == "no"] == ["dvc.lock"]
    assert any(line.startswith("first difference: dvc.lock, of dvc: ") for line in shown)


def test_a_byte_of_the_source_is_refused(clone):
    source = clone.path / "data/source/iris.data"
    source.write_text(source.read_text().replace("7.0,3.2,4.7,1.4", "7.0,3.2,4.7,1.5"))
    clone.commit("Another table")
    code, shown = rebuild(clone)
    assert code == 1
    wrong = [path for path, (*_, same) in cells(shown).items() if same == "no"]
    assert wrong == ["data/raw.csv", "dvc.lock"]
    assert "the environments are the same, according to metrics/environment.json" in shown
    assert rebuild(clone, "HEAD~1")[0] == 0, "the commit before is as it was"


# Two inputs of one md5, published by Wang, Feng, Lai and Yu in 2004: six bits differ.
ONE = bytes.fromhex(
    "d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f8955ad340609f4b30283e488832571415a"
    "085125e8f7cdc99fd91dbdf280373c5bd8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0"
    "e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70"
)
OTHER = bytes(byte ^ 0x80 * (at in (19, 45, 59, 83, 109, 123)) for at, byte in enumerate(ONE))


def test_another_file_of_the_same_md5_is_refused_though_dvc_lock_names_it(clone):
    (clone.path / "data/source/iris.data").write_bytes(ONE)
    clone.dvc("repro")
    clone.commit("A table that has a twin")
    clone.dvc("push")
    stored(clone, "data/raw.csv").chmod(0o644)
    stored(clone, "data/raw.csv").write_bytes(OTHER)
    assert clone.classifier("verify", "--remote").returncode == 0, "as far as md5 can tell"
    code, shown = rebuild(clone)
    assert code == 1
    [line] = [line for line in shown if line.startswith("first difference: ")]
    assert line.startswith("first difference: data/raw.csv, of fetch: expected SHA-256 ")
    assert line.count("md5 79054025255fb1a26e4bc422aef54eb4") == 2


def test_a_stage_that_fails_is_refused(clone):
    clone.edit("dvc.yaml", "cp data/source/iris.data data/raw.csv", "exit 1")
    clone.commit("A stage that fails")
    assert rebuild(clone) == (1, ["error: a stage has failed: `dvc repro` in a fresh clone"])


def test_a_stage_that_would_not_run_is_refused(clone):
    clone.dvc("freeze", "count")
    clone.commit("Freeze a stage")
    done = clone.classifier("rebuild", "--same-environment", "--attest", "../one", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    advice = "`dvc unfreeze dvc.yaml:count`"
    assert done.stderr == f"error: dvc.yaml:count: is frozen, so it would not run; {advice}\n"


def test_what_an_import_is_from_may_have_changed_since(clone, tmp_path):
    """DVC, told to force all stages, records what is there by now."""
    (tmp_path / "theirs.csv").write_text("1,2\n")
    clone.dvc("import-url", str(tmp_path / "theirs.csv"), "data/source/ours.csv")
    clone.edit("dvc.yaml", "deps: [data/source/iris.data]", "deps: [data/source]")
    clone.dvc("repro")
    clone.commit("Import a table")
    clone.dvc("push")
    (tmp_path / "theirs.csv").write_text("1,3\n")
    code, shown = rebuild(clone)
    assert (code, shown[-1]) == (0, SAME)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_when_it_is_ended_nothing_is_left_behind(clone, tmp_path, number):
    clone.edit("dvc.yaml", "cp data/source", "sleep 60 && cp data/source")
    clone.commit("A stage that takes a minute")
    (tmp_path / "scratch").mkdir()
    clone.environment["TMPDIR"] = str(tmp_path / "scratch")
    command = ["classifier", "rebuild", "--same-environment"]
    with subprocess.Popen(command, cwd=clone.path, env=clone.environment) as process:
        wait_until(lambda: sleeping(tmp_path))
        process.send_signal(number)
        assert process.wait(10) == 130
    assert list((tmp_path / "scratch").iterdir()) == []
    wait_until(lambda: not sleeping(tmp_path), 5)


def sleeping(folder: Path) -> list[psutil.Process]:
    """Return the stages that wait somewhere below a folder."""
    found = psutil.process_iter(["name", "cwd"])
    waiting = (one for one in found if one.info["name"] == "sleep")
    return [one for one in waiting if str(one.info["cwd"]).startswith(str(folder))]


@pytest.mark.slow
def test_what_is_made_and_not_named_is_refused(clone):
    clone.edit("dvc.yaml", "mkdir metrics/counts", "mkdir metrics/counts && touch metrics/counts/x")
    clone.commit("One file more")
    code, shown = rebuild(clone)
    assert code == 1
    [line] = [line for line in shown if line.startswith("first difference: ")]
    assert line.startswith("first difference: metrics/counts/x, of count: rebuilt SHA-256 e3b0c")
    assert line.endswith("; dvc.lock names no such file")


@pytest.mark.slow
def test_what_is_nowhere_is_compared_by_md5_and_not_attested(clone, tmp_path):
    theirs = clone.clone(tmp_path / "elsewhere/clone")
    code, shown = rebuild(theirs, "--attest", "statement")
    assert code == 1
    assert shown[-2] == (
        "the others match dvc.lock by md5; run `classifier pull` to compare their bytes"
    )
    assert shown[-1] == "statement: not written"
    assert shown[6].startswith(
        "2 of 4 are the same by SHA-256; compared with the commit, cache (remote"
    )


@pytest.mark.slow
def test_a_table_of_dvc_add_is_brought(clone):
    clone.git("rm", "-q", "--cached", "data/source/iris.data")
    clone.dvc("add", "data/source/iris.data")
    clone.commit("Keep the table out of git")
    clone.dvc("push")
    assert rebuild(clone)[0] == 0
    for copy in (stored(clone, "data/raw.csv"), *clone.path.glob(".dvc/cache/files/md5/42/6157*")):
        copy.unlink()
    done = clone.classifier("rebuild", "--same-environment", check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "error: data/source/iris.data: missing (cache); `classifier pull` may get it\n"
    )


def test_a_lock_that_dvc_cannot_read_is_one_line(clone):
    clone.edit("dvc.lock", "schema: '2.0'", "schema: '9'")
    clone.commit("Another schema")
    done = clone.classifier("rebuild", "--same-environment", check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "dvc.lock" in done.stderr


@pytest.mark.parametrize("commit", ["nosuch", "HEAD:dvc.yaml", "--all"])
def test_what_is_no_commit_is_one_line(clone, commit):
    done = clone.classifier("rebuild", "--same-environment", "--", commit, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert commit in done.stderr


def test_a_lock_of_other_packages_is_not_rebuilt_in_this_environment(clone):
    with (clone.path / "requirements.txt").open("a") as lock:
        lock.write("# another\n")
    clone.commit("Other packages")
    done = clone.classifier("rebuild", "--same-environment", check=False)
    assert done.returncode == 2
    assert done.stderr.endswith(
        "packages cannot be installed: `make environment` in a fresh clone\n"
    )


def test_the_statement_is_of_in_toto_and_slsa_and_the_same_each_time(clone):
    for name in ("one", "two"):
        assert rebuild(clone, "--attest", f"../{name}")[0] == 0
    text = (clone.path.parent / "one").read_text()
    assert text == (clone.path.parent / "two").read_text()
    written = json.loads(text)
    subject = {one["name"]: one["digest"] for one in written["subject"]}
    assert list(subject) == FILES
    for path in FILES:
        [digest] = clone.run("sha256sum", path).stdout.split()[:1]
        assert subject[path] == {"sha256": digest}
    Statement.copy_from_pb(Parse(text, statement_pb2.Statement())).validate()
    ParseDict(written["predicate"], Provenance())
    build = written["predicate"]["buildDefinition"]
    made_from = {one["name"]: one["digest"] for one in build["resolvedDependencies"]}
    assert made_from["commit"] == {"gitCommit": clone.git("rev-parse", "HEAD").strip()}
    assert {"dvc.lock", "requirements.txt", "params.yaml"} < set(made_from)
    assert build["internalParameters"]["environment"]["python"]


@pytest.fixture
def attested(clone: Clone) -> Clone:
    """A clone beside the statement of what it made."""
    assert rebuild(clone, "--attest", "../one")[0] == 0
    return clone


def test_a_pipeline_of_a_folder_of_ones_own_is_none_of_the_project(clone):
    (clone.path / "own").mkdir()
    (clone.path / "own/dvc.yaml").write_text("stages: {mine: {cmd: date > o, outs: [o]}}\n")
    clone.dvc("repro", "own/dvc.yaml")
    clone.commit("A pipeline of my own")
    assert rebuild(clone)[0] == 0


def test_what_a_partial_clone_lacks_is_fetched(clone):
    clone.git("config", "uploadpack.allowFilter", "true")
    clone.git("commit", "--quiet", "--allow-empty", "--message", "Nothing new")
    (clone.path / "data/source/iris.data").write_text("another table")
    clone.commit("Another table")
    part = clone.path.parent / "part"
    clone.git("clone", "--quiet", "--filter=blob:none", clone.path.as_uri(), str(part))
    assert rebuild(Clone(part), "HEAD~1") == (0, rebuild(clone, "HEAD~1")[1])


@pytest.mark.parametrize("path", ["params.yaml", "metrics/rows.csv", "dvc.lock"])
def test_no_statement_is_written_over_what_belongs_to_the_project(clone, path):
    before = clone.read(path)
    done = clone.classifier("rebuild", "--attest", path, check=False)
    assert done.returncode == 2
    assert done.stderr == f"error: {path}: belongs to the project; choose another file\n"
    assert clone.read(path) == before


def test_artifacts_are_verified_by_a_statement(attested):
    done = attested.classifier("verify", "--statement", "../one")
    assert done.stdout.splitlines()[-1] == "../one: all artifacts that it names match by SHA-256"
    (attested.path / "data/raw.csv").unlink()
    (attested.path / "data/raw.csv").write_text("another")
    attested.dvc("commit", "--force")
    done = attested.classifier("verify", "--statement", "../one", check=False)
    assert done.returncode == 1, "dvc.lock names it, the statement does not"
    assert [line.partition(": ")[0] for line in done.stdout.splitlines()[:-1]] == [
        "data/raw.csv", "dvc.lock",
    ]  # fmt: skip


def test_a_statement_that_names_a_file_twice_is_none(attested):
    statement = json.loads((attested.path / "../one").read_text())
    statement["subject"].insert(0, statement["subject"][0] | {"digest": {"sha256": "0" * 64}})
    (attested.path / "../one").write_text(json.dumps(statement))
    done = attested.classifier("verify", "--statement", "../one", check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ../one: is not a statement of `classifier rebuild")


def test_a_tag_is_rebuilt_rather_than_a_branch_and_that_is_told(clone):
    clone.git("branch", "both")
    clone.git("tag", "both")
    done = clone.classifier("rebuild", "both", "--same-environment", check=False)
    told = "both: means refs/tags/both; refs/heads/both has the same name\n"
    assert told in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"subject": [1]}',
        '{"subject": [{"name": 1}]}',
        '{"subject": []}',
        json.dumps({"_type": STATEMENT, "predicateType": PROVENANCE, "subject": []}),
    ],
)
def test_what_is_no_statement_is_one_line(clone, text):
    (clone.path / "statement").write_text(text)
    done = clone.classifier("verify", "--statement", "statement", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: statement: is not a statement of `classifier rebuild")


def test_environments_are_compared_key_by_key():
    before = {"python": "3.11.7", "packages": {"numpy": "2.1", "keras": "3.15"}}
    after = {"python": "3.11.7", "packages": {"numpy": "2.2", "keras": "3.15"}, "new": 1}
    assert list(environment_lines(before, after)) == [
        "environment: packages.numpy: 2.1 there, 2.2 here",
        "environment: new: None there, 1 here",
    ]


def test_where_a_model_of_the_run_cache_was_made_is_not_known(copied):
    """The file is of the last training, and the model may be of one before it."""
    assert environment_of(copied.path)["python"]
    environment = json.loads(copied.read("metrics/environment.json")) | {"model": "0" * 32}
    (copied.path / "metrics/environment.json").write_text(json.dumps(environment))
    before = environment_of(copied.path)
    assert [*environment_lines(before, environment)] == [
        "where the commit's model was made is not known: metrics/environment.json does not say"
    ]


@pytest.mark.slow
def test_the_real_pipeline_is_rebuilt_in_an_environment_of_its_own(pushed, tmp_path):
    """It installs, so it needs the package index, or uv's cache."""
    clone = Clone(pushed / "clone")
    for variable in ("http_proxy", "https_proxy"):
        clone.environment.pop(variable)
    command = [sys.executable, "-m", "classifier", "rebuild", "--attest", str(tmp_path / "s.json")]
    shown = clone.run(*command).stdout
    assert "26 of 26 are the same by SHA-256" in shown
