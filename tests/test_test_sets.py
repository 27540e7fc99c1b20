"""Other test sets: any CSV in data/test_sets is evaluated under its file's name."""

import json

import numpy as np
import pytest

from classifier.base.errors import UserError
from classifier.evaluating.test_sets import read_test_set
from classifier.findings.of_table import of_another_set, of_copies
from classifier.rows.dataset import Dataset
from classifier.scoring import repeated
from classifier.table.schema import Schema
from stages import evaluate
from tests.conftest import Clone

HEADER = "species,petal_width,petal_length,sepal_width,sepal_length\n"
ROW = "Iris-setosa,0.2,1.4,3.5,5.1\n"


@pytest.fixture
def project_copy(copied: Clone, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """A copy of the reproduced clone, to evaluate in from this process."""
    monkeypatch.chdir(copied.path)
    return copied


def test_each_has_its_section_and_its_confusion_plot_and_reruns_only_evaluate(copied):
    iris = copied.read("data/source/iris.data")
    (copied.path / "data/test_sets/again.csv").write_text(iris)
    (copied.path / "data/test_sets/other order.csv").write_text(HEADER + ROW)
    (copied.path / "data/test_sets/again.csv.csv").write_text(HEADER + ROW)
    assert copied.stages_run(copied.dvc("repro")) == ["evaluate"]
    evaluation = json.loads(copied.read("metrics/evaluation.json"))
    assert list(evaluation) == ["train", "again", "again.csv", "other order"]
    assert evaluation["again"] == evaluation["train"] | {"rows_trained_on": 150}
    assert (evaluation["other order"]["rows"], evaluation["other order"]["accuracy"]) == (1, 1.0)
    plots = json.loads(copied.dvc("plots", "show", "--json"))["data"]
    assert "metrics/predictions/again.csv" in plots


def test_its_name_may_end_in_capitals_and_hidden_files_are_none(project_copy):
    (project_copy.path / "data/test_sets/OWN.CSV").write_text(HEADER + ROW)
    (project_copy.path / "data/test_sets/.hidden.csv").write_text("no table")
    evaluate.main()
    assert list(json.loads(project_copy.read("metrics/evaluation.json"))) == ["train", "OWN"]


@pytest.mark.parametrize(
    "name, why",
    [
        ("iris.data", "does not end in .csv, .csv.gz, .tsv, .tsv.gz or .parquet"),
        (".own.csv", "begins with a dot"),
    ],
)
def test_a_file_that_is_not_evaluated_is_named(project_copy, name, why):
    (project_copy.path / "data/test_sets" / name).write_text(ROW)
    evaluate.main()
    told = f"data/test_sets/{name} is not evaluated: its name {why}"
    found = json.loads(project_copy.read("metrics/findings.json"))
    assert [told] == [one["seen"] for one in found if "evaluated" in one["seen"]]


def test_rows_that_were_trained_on_are_a_finding(project_copy):
    (project_copy.path / "data/test_sets/own.csv").write_text(
        HEADER + ROW + ROW + ROW.replace("0.2", "0.9") + ROW.replace("setosa", "virginica")
    )
    evaluate.main()
    found = json.loads(project_copy.read("metrics/findings.json"))
    assert "own: 2 of 4 rows are also in the training data" in [one["seen"] for one in found]
    evaluation = json.loads(project_copy.read("metrics/evaluation.json"))
    assert evaluation["own"]["rows_trained_on"] == 2
    assert "rows_trained_on" not in evaluation["train"]


def test_many_copies_in_a_test_set_are_a_finding(project_copy):
    """An interval of 600 rows that are 10 is far too narrow."""
    iris = project_copy.read("data/source/iris.data").splitlines()[:100:10]
    rows = [row.replace(".", ".0", 1) for row in iris]  # 5.01: none was trained on
    (project_copy.path / "data/test_sets/many.csv").write_text("\n".join(rows * 60) + "\n")
    evaluate.main()
    found = [one["seen"] for one in json.loads(project_copy.read("metrics/findings.json"))]
    assert "many: 600 of 600 rows are duplicates of each other" in found


def test_rows_that_differ_in_values_new_to_the_model_are_no_copies(prepared, tmp_path):
    folder = prepared("town,y\np,a\nq,b\n" * 6, label="y", header=True, unknown="ignore")
    schema = Schema.load(folder / "schema.json")
    (tmp_path / "new.csv").write_text("town,y\n" + "".join(f"t{at},a\n" for at in range(30)))
    (tmp_path / "old.csv").write_text("town,y\n" + "p,a\n" * 30)
    for name, count in (("new", 0), ("old", 1)):
        found = read_test_set(schema, tmp_path / f"{name}.csv", tmp_path / name)
        assert len([*of_copies(schema, name, found)]) == count


def test_a_quote_left_open_in_a_test_set_is_a_finding(prepared, tmp_path):
    folder = prepared("x,c,y\n1,p,a\n2,q,b\n", header=True, label="y", unknown="ignore")
    (tmp_path / "new.csv").write_text('x,c,y\n1,"p,a\n2,q",b\n')
    schema = Schema.load(folder / "schema.json")
    data = read_test_set(schema, tmp_path / "new.csv", tmp_path / "rows")
    seen = "new: column c: 'p,a\\n2,q' spans several rows"
    assert seen in [one.seen for one in of_another_set(schema, "new", data, repeated=0)]


@pytest.mark.parametrize("width", [1, 3])
def test_repeated_rows_are_counted_over_blocks_as_one_by_one(monkeypatch, width):
    def rows(n: int) -> Dataset:
        features = numbers.choice(np.array([-1, -0.0, 0, 1, np.nan], np.float32), (n, width))
        return Dataset(features, np.eye(2, dtype=np.uint8)[numbers.integers(2, size=n)])

    def texts(data: Dataset) -> list[str]:
        return [f"{row + 0} {label}" for row, label in zip(data.features, data.labels, strict=True)]

    monkeypatch.setattr(repeated, "BLOCK_CELLS", 10)
    numbers = np.random.default_rng(width)
    data, train = rows(40), rows(5 * width)
    expected = sum(text in texts(train) for text in texts(data))
    assert 0 < expected < 40
    assert repeated.count_repeated(data, train) == expected
    copies = sum(texts(data).count(text) > 1 for text in texts(data))
    assert repeated.count_copies(data) == copies


def test_two_of_one_name_are_one_line(project_copy):
    for name in ("own.csv", "own.CSV"):
        (project_copy.path / "data/test_sets" / name).write_text(HEADER + ROW)
    words = "own.csv: own already names data/test_sets/own.CSV; rename it$"
    with pytest.raises(UserError, match=words):
        evaluate.main()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("new.csv", HEADER + ROW + ROW.replace("setosa", "nova"),
         "new.csv: row 3, column species: found 'Iris-nova', which the model was not trained on "
         "(known: Iris-setosa, Iris-versicolor, Iris-virginica)"),
        ("bad.csv", HEADER + ROW.replace("3.5", "x"), "row 2, column sepal_width: found 'x', "),
        ("gap.csv", HEADER + ROW.replace("Iris-setosa", ""), "row 2, column species: has no value"),
        ("none.csv", HEADER, "none.csv: has no rows"),
        ("few.csv", "1,2,3\n", "few.csv: row 1: found 3 columns, expected sepal_length, "),
        ("nolabel.csv", "5.1,3.5,1.4,0.2\n", "nolabel.csv: row 1: found 4 columns, expected "),
        ("quotes.csv", HEADER + ROW + '""\n', "quotes.csv: row 3: has 1 column, expected 5"),
        ("feed.csv", HEADER + "\f\n" + ROW.replace("setosa", "nova"),
         "feed.csv: row 2: has 1 column, expected 5"),
        ("semicolons.csv", (HEADER + ROW).replace(",", ";"),
         "row 1: found 1 column, expected sepal_length, sepal_width, petal_length, petal_width, "
         "species; is ',' its delimiter?"),
        ("train.csv", HEADER + ROW, "train.csv: train already names a part of data/prepared"),
    ],
)  # fmt: skip
def test_a_bad_one_is_one_line_and_keeps_the_earlier_metrics(project_copy, name, text, words):
    before = project_copy.files()
    (project_copy.path / "data/test_sets" / name).write_text(text)
    with pytest.raises(UserError) as raised:
        evaluate.main()
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    (project_copy.path / "data/test_sets" / name).unlink()
    assert project_copy.files() == before
