"""The benchmarks measure what they say and write it down."""

import json
import re
import sys
from subprocess import CalledProcessError

import pytest

from benchmarks import __main__ as bench
from benchmarks import seeds
from benchmarks.__main__ import COMPARISONS, Comparison, compare, to_table
from benchmarks.growth import STEPS, draw_growth, measure_steps
from benchmarks.measure import Measured, measure
from benchmarks.tables import write_table
from classifier.base.progress import Progress
from tests.conftest import ROOT
from tests.test_prepare import load

README = (ROOT / "README.md").read_text()


def test_a_process_is_measured_and_so_is_the_part_it_reports():
    child = "import time; b = bytearray(50_000_000); time.sleep(0.3); print('seconds: 0.125')"
    held_here = bytearray(400_000_000)
    whole, part = (
        measure([sys.executable, "-c", child], ROOT, ROOT, part) for part in (False, True)
    )
    assert whole.seconds >= 0.3
    assert 50e6 < whole.memory < 150e6 < len(held_here)
    assert part.seconds == 0.125


def test_a_process_that_fails_is_not_measured():
    with pytest.raises(CalledProcessError) as caught:
        measure([sys.executable, "-c", "print('why'); exit(3)"], ROOT, ROOT)
    assert (caught.value.returncode, caught.value.output.splitlines()[0]) == (3, "why")


def test_the_ratio_is_the_median_of_the_rounds(tmp_path, monkeypatch):
    times = iter([1.0, 2.0, 9.0, 3.0, 1.0, 4.0])  # ours, peer, in turn
    monkeypatch.setattr(bench, "measure", lambda *_: Measured(next(times), 1))
    pair = Comparison("a", "b", 1.0, ["ours"], ["peer"], memory=0.5, rounds=3)
    result = compare(pair, tmp_path, Progress(disable=True))
    assert (result["ratio"], result["seconds"]) == (0.5, [1.0, 3.0])
    assert to_table([result]).splitlines()[-2:] == [
        "| a | b | ≤ 1.00 | 0.50 |",
        "| a | b | memory ≤ 0.50 | memory 1.00 |",
    ]


def test_the_table_takes_the_place_of_the_last_one():
    text = (ROOT / "docs/performance.md").read_text()
    once = bench.with_table(text, "new\n")
    assert once == bench.with_table(once, "new\n")
    assert "<!-- benchmarks -->\nnew\n<!-- end of benchmarks -->\n" in once


def test_results_that_are_measured_anew_take_the_place_of_the_old_ones():
    first, *old = ({"what": c.what, "against": c.against, "ratio": 1.0} for c in COMPARISONS)
    anew = old[1] | {"ratio": 2.0}
    assert bench.with_new(old, [anew, first]) == [first, old[0], anew, *old[2:]]
    assert bench.with_new([{"what": "no more", "against": "compared"}], [first]) == [first]


def test_some_comparisons_can_be_chosen_by_their_words():
    assert {c.what for c in bench.chosen(False, "8 trials")} == {"a sweep of 8 trials, 2 at a time"}
    assert [c.rounds for c in bench.chosen(True, "1,000")] == [2]


def test_the_document_has_the_results_that_were_measured():
    measured = json.loads(bench.RESULTS.read_text())
    text = bench.DOCUMENT.read_text()
    assert bench.TABLE_STARTS + to_table(measured["results"]) + bench.TABLE_ENDS in text
    assert {result["what"] for result in measured["results"]} == {c.what for c in COMPARISONS}


@pytest.mark.parametrize("document", [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
def test_what_a_document_links_to_exists(document):
    for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
        assert (document.parent / link).exists(), link


@pytest.mark.parametrize("folds", [0, 10])
def test_a_run_from_nothing_runs_every_stage(copied, folds):
    bench.set_folds(folds)(copied.path)
    assert f"folds: {folds} " in copied.read("params.yaml")
    assert copied.stages_run(copied.dvc("repro", "--dry")) == [
        "fetch", "prepare", "crossval", "train", "evaluate",
    ]  # fmt: skip


def test_a_test_set_runs_evaluate_alone(copied):
    bench.add_test_set(copied.path)
    assert copied.stages_run(copied.dvc("repro", "--dry")) == ["evaluate"]


def test_every_peer_is_a_script_of_its_own():
    peers = {part for c in COMPARISONS for part in c.peer if part.startswith("benchmarks.peers.")}
    for peer in peers:
        text = (ROOT / f"{peer.replace('.', '/')}.py").read_text()
        assert "classifier" not in text
        assert "stages" not in text


@pytest.mark.parametrize("columns", [4, 6])
def test_a_large_table_is_like_iris(prepared, tmp_path, columns):
    write_table(tmp_path / "table.csv", 1_000, columns)
    text = (tmp_path / "table.csv").read_text()
    features, labels = load(prepared(text, header=False, label=-1), "train")
    assert features.shape == (1_000, columns)
    assert features[:, :4].mean(axis=0) == pytest.approx([5.84, 3.05, 3.76, 1.2], abs=0.2)
    assert labels.sum(axis=0).tolist() == pytest.approx([333] * 3, abs=60)


def test_growth_is_drawn():
    svg = draw_growth([
        {"rows": 10**5, "features": 4, "step": step, "seconds": 1.0, "megabytes": 2.0}
        for step in ("prepare", "predict")
    ])  # fmt: skip
    assert svg.count("<svg") == 1
    assert ">megabytes</text>" in svg


def test_the_seed_moves_the_recipe_as_far_as_its_document_says(reproduced, monkeypatch, capsys):
    monkeypatch.chdir(reproduced.path)
    seeds.main()
    line = capsys.readouterr().out.splitlines()[0]
    document = " ".join((ROOT / "docs/statistics.md").read_text().split())
    said = re.search(r"between (\S+) and (\S+) on the rows .* with a median of (0\.\d+)", document)
    assert said
    measured = map(float, re.findall(r"0\.\d+", line))
    assert list(measured) == pytest.approx(list(map(float, said.groups())), abs=0.02)


@pytest.mark.slow
def test_every_step_is_measured_at_a_size(copied):
    found = measure_steps(copied.path, 200, 6)
    assert [(one["rows"], one["features"], one["step"]) for one in found] == [
        (200, 6, step) for step in STEPS
    ]
    assert all(one["seconds"] > 0 and one["megabytes"] > 20 for one in found)
    assert len((copied.path / "growth/200x6/predicted.csv").read_text().splitlines()) == 201


def test_what_is_measured_has_no_extras():
    child = "import pandas.compat.pyarrow as found; raise SystemExit(found.HAS_PYARROW)"
    measure([sys.executable, "-c", child], ROOT, ROOT)
    with pytest.raises(CalledProcessError):
        measure([sys.executable, "-c", "import pyarrow"], ROOT, ROOT)
