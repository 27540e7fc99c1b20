"""A file is what dvc.lock says, or one line says why not."""

import copy
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from classifier.base.dvc_lock import Lock, parse_lock, read_lock, require_recorded
from classifier.base.errors import UserError
from classifier.base.files import md5_of
from tests.conftest import ROOT

HELLO = "5d41402abc4b2a76b9719d911017c592"
LOCK = f"""
schema: '2.0'
stages:
  greet:
    cmd: echo
    outs:
    - path: models/hello
      hash: md5
      md5: {HELLO}
  silent:
    cmd: true
"""


@pytest.fixture
def hello(tmp_path, monkeypatch) -> Path:
    """A file as dvc.lock names it, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("dvc.lock").write_text(LOCK)
    Path("models").mkdir()
    Path("models/hello").write_text("hello")
    return Path("models/hello")


@pytest.fixture
def deadline() -> Iterator[None]:
    """Ends a test that hangs."""

    def end(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, end)
    signal.alarm(20)
    yield
    signal.alarm(0)


def test_the_projects_own_lock_names_its_artifacts():
    recorded = read_lock(ROOT / "dvc.lock").outs()
    assert recorded["data/prepared"].md5.endswith(".dir")
    for path in ("metrics/crossval.json", "metrics/evaluation.json"):
        assert recorded[path].md5 == md5_of(ROOT / path)


def test_the_recorded_bytes_pass(hello):
    assert require_recorded(hello) == hello


@pytest.mark.parametrize("content", ["hallo", "hell", ""])
def test_other_bytes_do_not(hello, content):
    hello.write_text(content)
    with pytest.raises(UserError, match=r"models/hello: is not the file that dvc\.lock"):
        require_recorded(hello)


def test_a_file_that_is_not_named_does_not(hello):
    other = hello.rename("models/other")
    with pytest.raises(UserError, match=r"models/other: dvc\.lock does not name it"):
        require_recorded(other)


@pytest.mark.parametrize(
    "lock",
    [
        "",
        "a: [",
        "stages: 1",
        "stages: {a: {outs: [{path: x}]}}",
        "\0",
        LOCK.replace(HELLO, "0" * 32),
        *("[" * 100_000, "- " * 100_000, "? " * 100_000),
        *(f"{sign * 100_000}\n" for sign in ("[", "- ", "? ")),
    ],
)
def test_a_damaged_lock_is_told(hello, lock):
    Path("dvc.lock").write_text(lock)
    with pytest.raises(
        UserError, match=r"^dvc\.lock: .*; `git checkout dvc\.lock` brings back what was committed$"
    ):
        require_recorded(hello)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (HELLO, "hello", "stages.greet.outs.0.md5: 'hello': "),
        (HELLO, "../" * 10 + "aa", "stages.greet.outs.0.md5: '../"),
        (HELLO, f"{HELLO}0", f"stages.greet.outs.0.md5: '{HELLO}0': "),
        ("models/hello", "../hello", "../hello is not in the project"),
        ("models/hello", "models/../../hello", "models/../../hello is not in the project"),
        ("models/hello", "/hello", "/hello is not in the project"),
    ],
)
def test_an_md5_or_a_path_that_leads_elsewhere_is_named(hello, old, new, words):
    Path("dvc.lock").write_text(LOCK.replace(old, new))
    with pytest.raises(UserError, match=r"dvc\.lock: is damaged: .*; `git checkout dvc") as told:
        require_recorded(hello)
    assert words in str(told.value)


def test_a_lock_that_was_cut_off_is_damaged_or_names_less(tmp_path):
    """As by a kill while DVC writes it. `verify` sees what is not named."""
    lock, whole = tmp_path / "dvc.lock", (ROOT / "dvc.lock").read_text()
    recorded = read_lock(ROOT / "dvc.lock").outs()
    ends = {whole.index(".dir"), *range(0, len(whole), 149)}
    for end in ends | {whole.rindex("\n", 0, end) + 1 for end in ends if end > 100}:
        lock.write_text(whole[:end])
        with suppress(UserError):
            left = read_lock(lock).outs()
            assert all(out.md5 == recorded[path].md5 for path, out in left.items())


@pytest.mark.parametrize(
    ("stand_in", "kind"),
    [(os.mkfifo, "a FIFO"), (lambda path: path.symlink_to("/dev/zero"), "a d")],
)
@pytest.mark.usefixtures("hello", "deadline")
def test_a_lock_that_is_not_a_file_is_told(stand_in, kind):
    Path("dvc.lock").unlink()
    stand_in(Path("dvc.lock"))
    with pytest.raises(UserError, match=rf"dvc\.lock: is {kind}"):
        read_lock()


def test_a_missing_lock_is_told(hello):
    Path("dvc.lock").unlink()
    with pytest.raises(UserError, match="no such file; run `dvc repro`"):
        require_recorded(hello)


PIPELINE: dict[str, Any] = {
    "prepare": {
        "deps": [{"path": "data/raw.csv", "md5": "1" * 32}],
        "params": {"params.yaml": {"prepare": {
            "label": "y", "missing": "error", "features": None, "scale": "none", "seed": 1}}},
    },
    "crossval": {
        "deps": [{"path": "data/prepared/train", "md5": "2" * 32 + ".dir"}],
        "params": {"params.yaml": {"crossval": {"seed": 42}, "train.epochs": 150}},
    },
    "train": {
        "deps": [{"path": "data/prepared/train", "md5": "2" * 32 + ".dir"}],
        "params": {"params.yaml": {"train": {"epochs": 150, "seed": 1}}},
    },
}  # fmt: skip


def changed(stage: str, section: str, key: str, value: object) -> Lock:
    """Return the pipeline's lock with one param of a stage changed."""
    stages = copy.deepcopy(PIPELINE)
    stages[stage]["params"]["params.yaml"][section][key] = value
    return Lock.model_validate({"stages": stages})


@pytest.mark.parametrize(
    ("key", "value", "same"),
    [
        ("scale", "standard", True),
        ("features", [0], True),
        ("seed", 2, False),
        ("label", "z", True),  # the classes of the rows are compared
        ("header", ["x", "y"], True),
        ("header", True, False),
        ("na_values", ["-"], True),
        ("missing", "impute", True),
        ("missing", "drop", False),
    ],
)
def test_the_choice_of_rows_goes_by_what_decides_which_rows_there_are(key, value, same):
    before = Lock.model_validate({"stages": PIPELINE}).choice_of_rows()
    assert (changed("prepare", "prepare", key, value).choice_of_rows() == before) is same


def test_a_seed_that_draws_nothing_does_not_choose_rows():
    first, other = (changed("prepare", "prepare", "seed", seed) for seed in (1, 2))
    for lock in (first, other):
        lock.stages["prepare"].params["params.yaml"]["prepare"]["test_size"] = 0.0
    assert first.choice_of_rows() == other.choice_of_rows()


def test_dropping_rows_with_gaps_makes_features_choose_rows():
    drop = changed("prepare", "prepare", "missing", "drop")
    for key, value in [("features", [0]), ("text", ["x"]), ("na_values", ["-"])]:
        other = copy.deepcopy(PIPELINE)
        other["prepare"]["params"]["params.yaml"]["prepare"] |= {"missing": "drop", key: value}
        assert drop.choice_of_rows() != Lock.model_validate({"stages": other}).choice_of_rows()


def test_a_cross_validation_is_of_the_model_if_rows_and_params_are_those_it_was_trained_with():
    Lock.model_validate({"stages": PIPELINE}).require_crossval_of_the_model("x")
    changed("train", "train", "seed", 2).require_crossval_of_the_model("x")
    other = copy.deepcopy(PIPELINE)
    other["train"]["deps"][0]["md5"] = "3" * 32 + ".dir"
    other_rows = Lock.model_validate({"stages": other})
    for lock in (changed("train", "train", "epochs", 7), other_rows):
        with pytest.raises(UserError, match="was cross-validated on other rows"):
            lock.require_crossval_of_the_model("x")
        lock.stages["crossval"].params["params.yaml"]["crossval"] = {"folds": 0}
        lock.require_crossval_of_the_model("x")


def test_params_are_all_those_that_stages_were_run_with():
    params = Lock.model_validate({"stages": PIPELINE}).params("crossval", "train")
    assert params == {"crossval.seed": 42, "train.epochs": 150, "train.seed": 1}


def test_what_has_changed_is_named_also_where_the_param_is_gone():
    lock = Lock.model_validate({"stages": PIPELINE})
    now = lock.params() | {"train.epochs": 151, "new.one": 1}
    del now["crossval.seed"]
    assert lock.changed_params(now) == ["crossval.seed", "train.epochs"]
    assert lock.changed_params(now, "prepare") == []


def test_a_param_has_changed_also_where_one_of_its_stages_has_seen_the_change():
    lock = changed("train", "train", "epochs", 151)
    assert lock.changed_params(lock.params() | {"train.epochs": 150}) == ["train.epochs"]
    assert lock.changed_params(lock.params() | {"train.epochs": 151}) == ["train.epochs"]


@pytest.mark.parametrize(("was", "now"), [({}, {"day": "%Y-%m-%d"}), ({"day": "%Y"}, {})])
def test_a_param_that_holds_keys_is_one_param(was, now):
    lock = changed("prepare", "prepare", "dates", was)
    assert lock.changed_params(lock.params() | {"prepare.dates": now}) == ["prepare.dates"]


def test_numbers_are_read_as_dvc_writes_them():
    """To YAML 1.1, which PyYAML reads, 1e-05 is a word."""
    text = "stages: {train: {params: {params.yaml: {train: {learning_rate: 1e-05}}}}}\n"
    assert parse_lock(text, "lock").params() == {"train.learning_rate": 1e-05}


def test_stages_of_ones_own_lead_to_what_reads_their_outputs():
    md5 = "0" * 32
    lock = Lock.model_validate({"stages": {
        "draw": {"outs": [{"path": "raw", "md5": md5}]},
        "join": {"deps": [{"path": "raw/a.csv", "md5": md5}],
                 "outs": [{"path": "data/source/t.csv", "md5": md5}]},
        "count": {"deps": [{"path": "data/raw.csv", "md5": md5}]},
        "fetch": {"deps": [{"path": "data/source", "md5": md5}],
                  "outs": [{"path": "data/raw.csv", "md5": md5}]},
        "prepare": {"deps": [{"path": "data/raw.csv", "md5": md5}]},
    }})  # fmt: skip
    assert lock.leading_to("fetch", "prepare") == ["fetch", "prepare", "join", "draw"]
    assert lock.leading_to("prepare") == ["prepare"], "those of the project are named"


def test_a_path_is_the_same_however_dvc_yaml_writes_it():
    md5s = ["0" * 32, "1" * 32]
    stages = "".join(
        f"  {name}: {{deps: [{{path: {path}, md5: '{md5}'}}]}}\n"
        for name, path, md5 in zip("ab", ["./x/y", "y"], md5s, strict=True)
    )
    pipeline = b"stages: {a: {cmd: a}, b: {cmd: b, wdir: x}}"
    lock = parse_lock(f"stages:\n{stages}", "lock", pipeline)
    with pytest.raises(UserError, match=r"^lock: its stages have seen .* x/y;"):
        lock.require_one_run("lock")


def test_two_runs_are_not_merged_line_by_line(origin, tmp_path):
    """Where both sides changed other lines, git alone would make up a run that nobody made."""
    clone = origin.copy(tmp_path / "clone")
    lock = clone.read("dvc.lock")
    clone.git("checkout", "--quiet", "-b", "theirs")
    (clone.path / "dvc.lock").write_text(lock.replace("timeout: 30", "timeout: 31"))
    clone.commit("Wait longer")
    clone.git("checkout", "--quiet", "-")
    ours = lock.replace("patience: 0", "patience: 1")
    (clone.path / "dvc.lock").write_text(ours)
    clone.commit("Stop early")
    merged = clone.run("git", "merge", "theirs", check=False)
    assert merged.returncode == 1
    assert "CONFLICT (content): Merge conflict in dvc.lock" in merged.stdout
    assert clone.read("dvc.lock") == ours


def test_both_sides_of_a_merge_are_told(tmp_path):
    path = tmp_path / "dvc.lock"
    path.write_text("schema: '2.0'\n<<<<<<< HEAD\nstages: {}\n=======\n>>>>>>> other\n")
    with pytest.raises(UserError, match="has both sides of a merge; choose one, as with `git chec"):
        read_lock(path)
