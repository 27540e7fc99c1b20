"""params.yaml: whatever is wrong with it is one line that names the key, before any work."""

from pathlib import Path

import pytest
from dvc.utils.serialize import ParseError
from dvc.utils.serialize import parse_yaml as parse_as_dvc
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml.error import YAMLError

from classifier.base.errors import UserError
from classifier.base.files import parse_yaml
from classifier.params import load_params
from tests.conftest import ROOT

SHIPPED = (ROOT / "params.yaml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("  epochs: 150", "  epoch: 150", "train.epoch: unknown key, did you mean epochs?"),
        ("train:", "trian:", "trian: unknown key, did you mean train?"),
        ("  epochs: 150", "  xyz: 1\n  epochs: 150", "train.xyz: unknown key, known are scale, "),
        ("  epochs: 150", "", "train.epochs: missing"),
        ("  missing: error", "  scale: none\n  missing: error", "prepare.scale: unknown key, "),
        ("epochs: 150", "epochs: '150'", "train.epochs: '150': should be a valid integer"),
        ("epochs: 150", "epochs: 1.5", "train.epochs: 1.5: should be a valid integer"),
        ("epochs: 150", "epochs: true", "train.epochs: True: should be a valid integer"),
        ("epochs: 150", "epochs: 0", "train.epochs: 0: should be greater than or equal to 1"),
        ("hidden: [8]", "hidden: 8", "train.hidden: 8: should be a valid list"),
        (
            "hidden: [8]",
            "hidden: [8, 0]",
            "train.hidden.1: 0: should be greater than or equal to 1",
        ),
        ("activation: relu", "activation: rely", "train.activation: 'rely': should be 'elu', "),
        ("optimizer: adam", "optimizer: adan", "train.optimizer: 'adan': should be 'adadelta', "),
        (
            "learning_rate: 0.001",
            "learning_rate: -1.0",
            "train.learning_rate: -1.0: should be greater",
        ),
        ("learning_rate: 0.001", "learning_rate: .nan", "train.learning_rate: nan: should be"),
        ("patience: 0 ", "patience: 5 ", "train: patience needs a validation_fraction above 0"),
        ("test_size: 0.0", "test_size: 1.0", "prepare.test_size: 1.0: should be less than 1"),
        ("test_size: 0.0", "test_size: -0.1", "prepare.test_size: -0.1: should be greater"),
        (
            "label: species",
            "label: true",
            "prepare.label: True: should be a valid string or a valid integer",
        ),
        ("label: species", "label:", "prepare.label: is empty, should be a valid string or "),
        (
            "features: null",
            "features: [[a]]",
            "prepare.features.0: ['a']: should be a valid string",
        ),
        ("encoding: utf-8", "encoding: rot13", "prepare.encoding: 'rot13': should be an encoding"),
        ("encoding: utf-8", "encoding: zlib", "prepare.encoding: 'zlib': should be an encoding"),
        (
            "encoding: utf-8",
            "encoding: undefined",
            "prepare.encoding: 'undefined': should be an encoding",
        ),
        ('","', "a", "prepare.delimiter: 'a': should be one ASCII character"),
        ('","', '"5"', "prepare.delimiter: '5': should be one ASCII character"),
        ('","', "é", "prepare.delimiter: 'é': should be one ASCII character"),
        ('","', '"."', "prepare.delimiter: '.': should be one ASCII character"),
        ('","', '"-"', "prepare.delimiter: '-': should be one ASCII character"),
        ('","', "'\"'", "prepare.delimiter: '\"': should be one ASCII character"),
        ('","', '"\\0"', "prepare.delimiter: '\\x00': should be one ASCII character"),
        ('","', '"\\n"', "prepare.delimiter: '\\n': should be one ASCII character"),
        (
            "source: data/source/iris.data",
            'source: "data/\\0"',
            "fetch.source: 'data/\\x00': should have no control characters",
        ),
        ("hidden: [8]", f"hidden: {[1] * 101}", f"train.hidden: {str([1] * 101)[:60]}... "),
        (
            "activation: relu",
            f"activation: {'r' * 4_000}",
            f"train.activation: '{'r' * 60}'... (4,000",
        ),
        ("timeout: 30", "timeout: soon", "fetch.timeout: 'soon': should be a valid number"),
        ("  sha256: 6f608b", "  sha256: XY", "fetch.sha256: 'XY71a"),
        (SHIPPED, "", "the file: is empty, should hold the keys fetch, prepare, "),
        (SHIPPED, "- 1", "the file: [1]: should hold the keys fetch, prepare, "),
        (SHIPPED, "fetch: 1", "fetch: 1: should hold the keys source, sha256, timeout, retries"),
        (SHIPPED, "a: !!int b", "not valid YAML: invalid literal for int()"),
        (SHIPPED, f"a: {'1' * 5000}", "not valid YAML: Exceeds the limit (4300 digits)"),
        (SHIPPED, "[" * 1000, "is nested more than 100 levels deep"),
        (SHIPPED, "a: [1\nb: 2", "line 2: not valid YAML: "),
        (SHIPPED, "? {a: b}\n: 1", "line 1: not valid YAML: found unhashable key"),
        (SHIPPED, "a: \x01", "not valid YAML: "),
        ("header: [sepal_length", "header: [1", "prepare.header.0: 1: should be a valid string"),
        ("epochs: 150", "epochs: 1:30", "train.epochs: '1:30': should be a valid integer"),
        (
            "header: [sepal_length, sepal_width, petal_length, petal_width, species]",
            "header: no",
            "prepare.header: 'no': should be a valid boolean or a valid list",
        ),
        (
            SHIPPED,
            "a: 1\na: 2",
            'line 2: not valid YAML: found duplicate key "a"',
        ),
    ],
)
def test_a_mistake_is_one_line_naming_the_key(tmp_path: Path, old: str, new: str, line: str):
    assert SHIPPED.count(old) == 1
    path = tmp_path / "params.yaml"
    path.write_text(SHIPPED.replace(old, new))
    with pytest.raises(UserError) as raised:
        load_params(path)
    assert str(raised.value).startswith(f"{path}: {line}")
    assert "\n" not in str(raised.value)


SCALARS = [
    *("1_000", "0x10", "0o10", "010", "0b11", "1e-05", "1E+1", "1.", ".5", "+1", "1:30", "no", "~"),
    *(".inf", "2026-11-25", "2026-11-25 10:00:00", "'1'", "!!str 1", "1 # one"),
]


@given(st.lists(st.sampled_from(SCALARS) | st.text("-+0123456789._eExob:", min_size=1, max_size=8)))
def test_values_are_read_as_dvc_reads_them(scalars):
    text = "\n".join(["a:", *(f"- {scalar}" for scalar in scalars)])
    try:
        expected = parse_as_dvc(text, "text")
    except (YAMLError, ValueError, ParseError):
        with pytest.raises(UserError):
            parse_yaml(text, "text")
    else:
        assert repr(parse_yaml(text, "text")) == repr(expected)  # nan is not equal to itself


def test_a_checksum_may_be_in_capitals(tmp_path: Path):
    path = tmp_path / "params.yaml"
    path.write_text(SHIPPED.replace("6f608b71", "6F608B71"))
    assert load_params(path).fetch.sha256 == load_params(ROOT / "params.yaml").fetch.sha256


def test_a_missing_file_is_one_line(tmp_path: Path):
    with pytest.raises(UserError, match=r"params.yaml: no such file"):
        load_params(tmp_path / "params.yaml")
