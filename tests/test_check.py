"""check: a gate that is open for a good classifier alone."""

import json

import pytest

from classifier.commands.check import broken_bounds
from classifier.scoring.scores import numbers_in
from tests.conftest import Clone

METRICS = dict(
    numbers_in(
        "crossval",
        {
            "accuracy": {"mean": 0.9, "ci95_low": 0.85},
            "loss": {"ci95_high": 0.3},
            "out_of_fold": {"roc_auc": 0.99, "brier": 0.1},
            "per_class": {"yes": {"recall": 0.8}, "no": {"recall": 0.7}},
        },
    )
)


@pytest.mark.parametrize(
    ("name", "holds", "broken"),
    [
        ("crossval.accuracy.ci95_low", 0.85, 0.86),
        ("crossval.loss.ci95_high", 0.3, 0.29),
        ("crossval.out_of_fold.roc_auc", 0.9, 1.0),
        ("crossval.out_of_fold.brier", 0.2, 0.05),
        ("crossval.per_class.no.recall", 0.7, 0.75),
    ],
)
def test_a_bound_is_for_what_is_to_be_high_or_low(name, holds, broken):
    assert list(broken_bounds({name: holds}, METRICS)) == []
    (line,) = broken_bounds({name: broken}, METRICS)
    assert line == f"check: {name} is {METRICS[name]:g}, should be " + (
        f"at most {broken:g}" if broken < METRICS[name] else f"at least {broken:g}"
    )


def test_classes_and_data_sets_may_have_any_name():
    per_class = [{"class": "name", "recall": 0.5}, {"class": "class", "recall": 0.6}]
    found = dict(numbers_in("evaluation", {"class": {"per_class": per_class, "accuracy": 0.7}}))
    assert found == {
        "evaluation.class.per_class.name.recall": 0.5,
        "evaluation.class.per_class.class.recall": 0.6,
        "evaluation.class.accuracy": 0.7,
    }


def with_bounds(clone: Clone, bounds: str) -> Clone:
    clone.edit("params.yaml", "check: {} ", f"check: {bounds} ")
    return clone


def test_it_is_open_for_iris_and_tells_what_was_found(reproduced):
    done = reproduced.classifier("check")
    findings = json.loads(reproduced.read("metrics/findings.json"))
    assert done.stdout.splitlines() == [
        "{level}: {seen}; {advice}".format(**one) for one in findings
    ]
    shown = json.loads(reproduced.classifier("check", "--json").stdout)
    assert shown == {"findings": findings, "broken": [], "outdated": []}


def test_it_is_closed_where_a_bound_does_not_hold_and_runs_no_stage(copied):
    with_bounds(copied, "{crossval.accuracy.ci95_low: 0.95}")
    done = copied.classifier("check", check=False)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("check: crossval.accuracy.ci95_low is 0.8943")
    assert copied.stages_run(copied.dvc("repro", "--dry")) == []


def test_it_is_closed_where_there_is_a_problem(copied):
    """Three epochs are not enough to tell the flowers apart."""
    copied.edit("params.yaml", "epochs: 150", "epochs: 1")
    copied.edit("params.yaml", "  learning_rate: 0.001", "  learning_rate: 0.00001")
    copied.edit("params.yaml", "repeats: 10", "repeats: 1")
    copied.reproduce("crossval", "train", "evaluate")
    done = copied.classifier("check", check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("problem: ")


def test_it_is_closed_where_the_results_are_of_other_params(copied):
    copied.edit("params.yaml", "epochs: 150", "epochs: 20")
    done = copied.classifier("check", check=False)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "train.epochs has changed since; run `dvc repro`"


def test_it_is_closed_where_dvc_is_told_to_ignore_what_a_stage_reads(copied):
    (copied.path / "data/test_sets/more.csv").write_text(copied.read("data/source/iris.data"))
    hidden = ["data/source/iris.data", "data/test_sets/more.csv"]
    with (copied.path / ".dvcignore").open("a") as ignored:
        ignored.write("/data/source/iris.data\nmore.csv\n")
    copied.reproduce("fetch", "evaluate")
    done = copied.classifier("check", check=False)
    assert done.returncode == 1
    advice = "hidden from DVC by .dvcignore, which will not notice changes; remove the line there"
    assert done.stdout.splitlines()[-2:] == [f"{path}: {advice}" for path in hidden]


def test_it_is_closed_where_a_stage_is_frozen(copied):
    """DVC, told to force all stages, records new params for what it has not run."""
    copied.dvc("freeze", "train")
    done = copied.classifier("check", check=False)
    assert done.returncode == 1
    line = "train is frozen, so its results may be of no run; `dvc unfreeze train`"
    assert done.stdout.splitlines()[-1] == line


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ("      - models/classifier.onnx\n      - metrics", "      - metrics", "outs of train"),
        ("      - classifier/scoring\n", "", "deps of crossval"),
        ("- stages/crossval.py", "- stages/crossval.py\n      - data/raw.csv", "deps of crossval"),
    ],
)
def test_it_is_closed_where_a_stage_had_other_files(copied, before, after, what):
    """Of one that was taken away, DVC says nothing."""
    copied.edit("dvc.yaml", before, after)
    done = copied.classifier("check", check=False)
    assert done.returncode == 1
    assert f"{what} has changed since; run `dvc repro --force`" in done.stdout.splitlines()


def test_a_pipeline_that_is_not_valid_is_one_line(copied):
    copied.edit("dvc.yaml", "    cmd: exec python -m stages.fetch\n", "    cmd: true\n")
    done = copied.classifier("check", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: './dvc.yaml' validation failed\n"


def test_it_is_closed_where_the_model_card_is_of_another_run(copied):
    """Even if only the params are others, and all that the stages wrote is the same."""
    copied.classifier("report", "--model-card")
    assert copied.classifier("check").returncode == 0
    copied.edit("params.yaml", "na_values: [", "na_values: [none, ")
    copied.reproduce()
    done = copied.classifier("check", check=False)
    assert done.returncode == 1
    advice = "`classifier report --model-card` writes it anew"
    assert done.stdout.splitlines()[-1] == f"models/MODEL_CARD.md: is of another run; {advice}"


def test_no_model_card_says_what_has_changed_since_the_run(copied):
    copied.edit("params.yaml", "epochs: 150", "epochs: 20")
    done = copied.classifier("report", "--model-card", check=False)
    assert done.returncode == 1
    assert done.stderr == "error: train.epochs has changed since; run `dvc repro`\n"
    assert not (copied.path / "models/MODEL_CARD.md").exists()


def test_it_is_closed_where_a_stage_has_not_run(copied):
    mine = "stages:\n  mine: {cmd: exit 1, outs: [more.txt]}\n"
    copied.edit("dvc.yaml", "stages:\n", mine)
    done = copied.classifier("check", check=False)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "more.txt: not made yet; run `dvc repro`"


def test_it_is_closed_where_artifacts_are_not_here(copied):
    (copied.path / "models/classifier.onnx").unlink()
    (copied.path / "data/prepared/train/labels.npy").unlink()
    done = copied.classifier("check", check=False)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2:] == [
        "data/prepared: modified since; `classifier verify --repair` brings it back",
        "models/classifier.onnx: deleted since; `classifier pull` brings it back",
    ]


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        (
            "{crossval.accuracy.best: 0.9}",
            "check.crossval.accuracy.best: unknown metric, did you mean crossval.accuracy",
        ),
        (
            "{crossval.accuracy: 0.9}",
            "check.crossval.accuracy: unknown metric, did you mean crossval.accuracy.mean?",
        ),
        ("{crossval.accuracy.mean: high}", "check.crossval.accuracy.mean: 'high': should be a"),
        ("[1]", "check: "),
    ],
)
def test_a_bound_of_nothing_is_one_line(copied, bounds, words):
    with_bounds(copied, bounds)
    done = copied.classifier("check", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: params.yaml: {words}")
    assert done.stderr.count("\n") == 1


def test_edited_findings_are_refused(copied):
    (copied.path / "metrics/findings.json").write_text("[]\n")
    done = copied.classifier("check", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: metrics/findings.json: ")
