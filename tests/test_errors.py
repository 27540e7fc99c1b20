"""Whatever goes wrong is told in one line, with exit code 1, and leaves nothing half-written."""

import pytest

from tests.conftest import Clone


def one_line(clone: Clone, stage: str) -> str:
    """Run a stage that must fail as people expect, and return the line it says why in."""
    done = clone.stage(stage, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert not [path for path in clone.path.rglob("*.tmp*") if ".dvc" not in path.parts]
    return line


@pytest.mark.parametrize("stage", ["fetch", "prepare", "train"])
def test_a_typo_in_params_stops_a_stage_at_its_start(copied, stage):
    copied.edit("params.yaml", "  epochs:", "  epoch:")
    before = copied.files()
    assert "train.epoch" in one_line(copied, stage)
    assert copied.files() == before


def test_dvc_repro_stops_at_the_first_stage_and_says_why(copied):
    copied.edit("params.yaml", "retries: 3", "retries: many")
    done = copied.run("dvc", "repro", check=False)
    assert done.returncode != 0
    assert "error: params.yaml: fetch.retries: 'many'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("stage", "missing"),
    [
        ("fetch", "data/source/iris.data"),
        ("prepare", "data/raw.csv"),
        ("train", "data/prepared/train/features.npy"),
        ("evaluate", "models/classifier.onnx"),
    ],
)
def test_a_missing_file_is_named(copied, stage, missing):
    (copied.path / missing).unlink()
    assert f"{missing}: no such file" in one_line(copied, stage)


@pytest.mark.parametrize(
    ("stage", "damaged"),
    [
        ("train", "data/prepared/train/features.npy"),
        ("evaluate", "data/prepared/schema.json"),
        ("evaluate", "models/classifier.onnx"),
    ],
)
def test_a_damaged_file_is_named(copied, stage, damaged):
    path = copied.path / damaged
    path.write_bytes(path.read_bytes()[:-100])
    assert damaged in one_line(copied, stage)


def test_a_wrong_checksum_names_both(fresh):
    fresh.edit("params.yaml", "sha256: 6f608b", "sha256: 000000")
    line = one_line(fresh, "fetch")
    assert "6f608b71a7317216" in line
    assert "00000071a7317216" in line
    assert not (fresh.path / "data/raw.csv").exists()
