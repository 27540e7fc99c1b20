"""Tables as people have them: Parquet, .tsv, .gz and folders of parts, in any place for tables."""

import datetime as dt
import gzip
import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet

from classifier.base.errors import UserError
from classifier.commands.init.command import copy_table
from classifier.fetching import parquet as as_text
from stages import evaluate, fetch
from tests.conftest import ROOT, Clone

HEADER = "sepal_length,sepal_width,petal_length,petal_width,species\n"
IRIS = HEADER + (ROOT / "data/source/iris.data").read_text().strip() + "\n"
NOON = dt.datetime(1969, 3, 5, 12, 0, 1, 900_000)


@pytest.fixture
def fetched(project, tmp_path) -> Callable[..., str]:
    """Fetches a source, made of files by name, as `prepare` is told to read it."""

    def fetched(source: str, files: Mapping[str, Any], **settings: object) -> str:
        project(fetch={"source": source, "sha256": None}, prepare={"header": True} | settings)
        for name, content in files.items():
            write(tmp_path / "data/source" / name, content)
        fetch.main()
        written: bytes = (tmp_path / "data/raw.csv").read_bytes()
        return written.decode(str(settings.get("encoding", "utf-8")))

    return fetched


def write(path: Path, content: Any) -> None:
    """Write bytes, text, or columns as Parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict):
        parquet.write_table(pa.table(content), path)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def iris_as(path: Path) -> Path:
    """Write the rows of iris, with a header, as the kind of file that a name says.

    In Parquet the columns are in another order.
    """
    if path.suffix == ".parquet":
        names, *rows = (line.split(",") for line in IRIS.split())
        *numbers, labels = zip(*rows, strict=True)
        columns = [[float(cell) for cell in column] for column in numbers]
        named = dict(zip(names, [*columns, list(labels)], strict=True))
        write(path, dict(reversed(named.items())))
    else:
        text = IRIS.replace(",", "\t") if ".tsv" in path.name else IRIS
        write(path, gzip.compress(text.encode()) if path.suffix == ".gz" else text)
    return path


@pytest.mark.parametrize(
    ("values", "kind", "cells"),
    [
        ([2**63 - 1, -(2**53) - 1, None], pa.int64(),
         ["9223372036854775807", "-9007199254740993", ""]),
        ([2**64 - 1, 0], pa.uint64(), ["18446744073709551615", "0"]),
        ([0.1, 1 / 3, 1e22, 5.0, float("nan"), None, float("inf")], pa.float64(),
         ["0.1", "0.3333333333333333", "1e+22", "5", "", "", "inf"]),
        ([0.1, 1 / 3, 1e22], pa.float32(), ["0.1", "0.33333334", "1e+22"]),
        ([0.5, float("nan")], pa.float16(), ["0.5", ""]),
        ([Decimal("1.10"), Decimal("-12345678901234567890.01")], pa.decimal128(30, 2),
         ["1.10", "-12345678901234567890.01"]),
        ([True, False, None], pa.bool_(), ["True", "False", ""]),
        ([dt.date(2021, 3, 5), dt.date(1, 1, 1)], pa.date32(), ["2021-03-05", "0001-01-01"]),
        ([dt.date(2021, 3, 5)], pa.date64(), ["2021-03-05"]),
        ([NOON, None], pa.timestamp("us"), ["1969-03-05 12:00:01", ""]),
        ([NOON], pa.timestamp("ns", "Europe/Berlin"), ["1969-03-05 12:00:01+00:00"]),
        ([dt.time(1, 2, 3, 900_000)], pa.time64("us"), ["01:02:03"]),
        (["a", "", None, 'say "a"', "a;b", "a\nb", " a", "\ta", "a,b"], pa.string(),
         ["a", "", "", '"say ""a"""', '"a;b"', '"a\nb"', '" a"', '"\ta"', "a,b"]),
        (["a", None, "b"], pa.dictionary(pa.int8(), pa.large_string()), ["a", "", "b"]),
        ([None, None], pa.null(), ["", ""]),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_of_any_type_is_one_text(fetched, values, kind, cells):
    column = pa.array(values, pa.string() if pa.types.is_dictionary(kind) else kind).cast(kind)
    text = fetched("data/source/t.parquet", {"t.parquet": {'a"b;': column, "y": [1] * len(cells)}},
                   delimiter=";")  # fmt: skip
    assert text == '"a""b;";y\n' + "".join(f"{cell};1\n" for cell in cells)


def test_a_row_of_one_column_is_no_blank_line(fetched):
    text = fetched("data/source/t.parquet", {"t.parquet": {"x": ["a", None, ""]}})
    assert text == 'x\n"a"\n""\n""\n'


@pytest.mark.parametrize("header", [False, ["x", "y"]])
@pytest.mark.parametrize("source", ["data/source/parts/t.parquet", "data/source/parts"])
def test_the_names_of_parquet_are_not_thrown_away(fetched, header, source):
    files = {"parts/t.parquet": {"x": [1, 2], "y": ["p", "q"]}}
    with pytest.raises(UserError, match=r"names its columns; set prepare.header: true"):
        fetched(source, files, header=header)


def test_a_number_of_parquet_is_not_taken_for_thousands(fetched):
    numbers = [1.234, -12.5, 1234.567, 980.0, None]
    columns = {"x": numbers, "y": pa.array([Decimal("1.25"), 2, 3, 4, 5], pa.decimal128(6, 3))}
    assert fetched("data/source/t.parquet", {"t.parquet": columns}) == (
        "x,y\n1.2340,1.2500\n-12.5,2.0000\n1234.567,3.0000\n980,4.0000\n,5.0000\n"
    )


def test_many_batches_and_row_groups_are_as_one(fetched, monkeypatch, tmp_path):
    monkeypatch.setattr(as_text, "CELLS", 14)
    path = tmp_path / "data/source/t.parquet"
    write(path, {})
    parquet.write_table(pa.table({"x": range(50), "y": list("ab") * 25}), path, row_group_size=9)
    rows = "".join(f"{n},{'ab'[n % 2]}\n" for n in range(50))
    assert fetched("data/source/t.parquet", {}) == "x,y\n" + rows


PARTS = {"b.csv": "x,y\r\n3,q\r\n4,p", "a.csv": "\ufeffx,y\n1,p\n\n2,q", "c.csv": "x,y\n",
         "d.csv.gz": gzip.compress(b'\xef\xbb\xbf"x", y\n"5",p'), "e.csv": ""}  # fmt: skip
JOINED = 'x,y\n1,p\n\n2,q\n3,q\r\n4,p\n"5",p\n'


def in_folder(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {f"parts/{name}": content for name, content in parts.items()}


def test_parts_are_joined_in_the_order_of_their_names(fetched, capsys):
    hidden = {".a.csv.crc": b"\0", "_SUCCESS": "", "a.csv.dvc": "outs:"}
    assert fetched("data/source/parts", in_folder(PARTS | hidden)) == JOINED
    assert capsys.readouterr().err == (
        "data/source/parts: skipped: .a.csv.crc, _SUCCESS, a.csv.dvc\n"
        "data/source/parts/e.csv: is empty, skipped\n"
    )


def test_parts_without_a_header_lose_no_row(fetched, capsys):
    parts = {"1.tsv": "1\tp\n2\tq", "2.tsv": "1\tp\n"}
    joined = fetched("data/source/parts", in_folder(parts), header=False, delimiter="\t")
    assert joined == "1\tp\n2\tq\n1\tp\n"
    assert capsys.readouterr().err == ""
    fetched("data/source/more", {f"more/{n}.tsv": f"x\ty\n{n}\tp\n" for n in (1, 2)}, header=False)
    assert "data/source/more: row 1 is the same in every part; if it is" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-8-sig"])
def test_parts_are_joined_in_their_encoding(fetched, encoding):
    parts = {"1.csv": "größe,y\n1,p".encode(encoding), "2.csv": "größe,y\n2,ü".encode(encoding)}
    joined = fetched("data/source/parts", in_folder(parts), encoding=encoding)
    assert joined == "größe,y\n1,p\n2,ü\n"


def test_parts_of_parquet_may_differ_in_how_they_are_stored(fetched):
    parts = {
        "1.parquet": {"x": pa.array([1, 2], pa.int32()), "y": ["p", "q"]},
        "2.parquet": {"x": [3.0, None], "y": pa.array(["p", "q"]).dictionary_encode()},
        "3.parquet": {"x": pa.array([], pa.int64()), "y": pa.array([], pa.string())},
    }
    assert fetched("data/source/parts", in_folder(parts)) == "x,y\n1,p\n2,q\n3,p\n,q\n"


X = "data/source/parts"
Y = [1, 2]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"sub/a.csv": "x,y\n"}, f"{X}/sub: is a directory, expected parts that are files"),
        ({".hidden": ""}, f"{X}: has no parts, expected files that end in .csv, .csv.gz, .tsv, "),
        ({"a.csv": "x,y\n", "notes.txt": ""}, f"{X}/notes.txt: is not a part, expected a name "),
        ({"a.csv": "x,y\n", "b.tsv": "x\ty\n"},
         f"{X}: has parts of several kinds, .csv (a.csv) and .tsv (b.tsv); expected one kind"),
        ({"a.csv": "x,y\n1,p\n", "b.parquet": {"x": Y}}, ".csv (a.csv) and .parquet (b.parquet)"),
        ({"a.csv": "x,y\n1,p\n", "b.csv": "x,z\n1,p\n"},
         f"{X}/b.csv: column 2 is 'z', in a.csv 'y'"),
        ({"a.csv": "x,y\n1,p\n", "b.csv.gz": gzip.compress(b"y,x\np,1\n")},
         f"{X}/b.csv.gz: column 1 is 'y', in a.csv 'x'"),
        ({"a.csv": "x,y\n1,p\n", "b.csv": "x,y,z\n1,p,q\n"}, "b.csv: has 3 columns, a.csv has 2"),
        ({"a.csv": "x,y\n1,p\n", "b.csv": "1,p\n"}, "b.csv: column 1 is '1', in a.csv 'x'"),
        ({"a.parquet": {"x": Y}, "b.parquet": {"y": Y}},
         f"{X}/b.parquet: column 1 is 'y', in a.parquet 'x'"),
        ({"a.csv": "", "b.csv": "\n \n"}, f"{X}: every part is empty"),
        ({"a.csv": "x,y\n", "b.csv": b"x,y\n\xff,p\n"}, "b.csv: row 2: is not utf-8 text; see "),
        ({"a.csv": "x,y\n", "b.csv": "x,y\n\0,p\n"}, f"{X}/b.csv: row 2: has a NUL byte"),
        ({"a.csv": "x,y\n", "b.csv": "x,y\n".encode("utf-16")}, "b.csv: is UTF-16 text, expected"),
        ({"a.csv": 'x,"y\n1,p\n'}, f"{X}/a.csv: row 1: has a quote that is not closed"),
        ({"a.csv": 'x,y\n"1",p\n"2', "b.csv": 'x,y\n"3",q\n'},
         f"{X}/a.csv: row 3: has a quote that is not closed"),
        ({"a.csv.gz": gzip.compress(b"x,y\n1,p\n")[:-9]}, f"{X}/a.csv.gz: is cut off or damaged"),
        ({"a.csv.gz": gzip.compress(b"x,y\n1,\xff\n")}, f"{X}/a.csv.gz: row 2: is not utf-8 text"),
        ({"a.parquet": "x,y\n"}, f"{X}/a.parquet: is not a Parquet file, although its name"),
    ],
)  # fmt: skip
def test_bad_parts_are_one_line_that_names_the_part(fetched, tmp_path, parts, words):
    with pytest.raises(UserError) as raised:
        fetched(X, in_folder(parts))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not list((tmp_path / "data").glob("raw.csv*"))


def test_a_part_is_where_dvc_sees_it_change(fetched, tmp_path):
    write(tmp_path / "a.csv", "x,y\n1,p\n")
    (tmp_path / "data/source/parts").mkdir(parents=True)
    (tmp_path / "data/source/parts/a.csv").symlink_to(tmp_path / "a.csv")
    with pytest.raises(UserError, match=r"parts/a\.csv: is not under data/source, where DVC"):
        fetched("data/source/parts", {})
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(UserError, match=r"source: elsewhere: is not under data/source, where DVC"):
        fetched("elsewhere", {})


def test_a_table_of_another_dvc_project_in_data_source_is_refused(fetched, tmp_path):
    """As a clone of a data registry is; DVC passes over it."""
    table = "data/source/registry/tables/a.csv"
    (tmp_path / table).parent.mkdir(parents=True)
    write(tmp_path / table, "x,y\n1,p\n")
    fetched(table, {})
    (tmp_path / "data/source/registry/.dvc").mkdir()
    for source in (table, "data/source/registry", "data/source/registry/tables"):
        words = f"^fetch.source: {source}(/tables/a.csv)?: data/source/registry is a DVC project "
        with pytest.raises(UserError, match=words):
            fetched(source, {})


def test_the_checksum_of_parts_is_that_of_all_after_another(fetched):
    parts = {"2.csv": "x,y\n2,q\n", "1.csv": "x,y\n1,p\n"}
    sha256 = hashlib.sha256(b"x,y\n1,p\nx,y\n2,q\n").hexdigest()
    fetched("data/source/parts", in_folder(parts))
    settings = yaml.safe_load(Path("params.yaml").read_text())
    settings["fetch"]["sha256"] = sha256
    Path("params.yaml").write_text(yaml.safe_dump(settings))
    fetch.main()
    Path("data/source/parts/2.csv").write_text("x,y\n2,r\n")
    with pytest.raises(UserError, match=r"^fetch.source: data/source/parts: its sha256 is "):
        fetch.main()


TIME = pa.array([1], pa.duration("s"))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            {"x": Y, "tags": [[1], [2]]},
            "column tags: is of type list<element: int64>, which does not",
        ),
        ({"x": Y, "to": [{"a": 1}] * 2}, "column to: is of type struct<a: int64>, which does not"),
        (
            {"raw": [b"a", b"b"]},
            "column raw: is of type binary, which does not fit into a cell; leave",
        ),
        ({"took": TIME}, "column took: is of type duration[s], which does not fit into a cell"),
        ({}, "t.parquet: has no columns"),
    ],
)
def test_a_column_that_has_no_place_in_a_table_is_named(fetched, columns, words):
    with pytest.raises(UserError) as raised:
        fetched("data/source/t.parquet", {"t.parquet": columns})
    assert str(raised.value).startswith("fetch.source: data/source/t.parquet: ")
    assert words in str(raised.value)


def test_damaged_parquet_is_one_line(fetched, tmp_path):
    path = iris_as(tmp_path / "data/source/t.parquet")
    whole = path.read_bytes()
    for damaged in (whole[:-9], whole[:200] + b"\xff" * 300 + whole[500:]):
        with pytest.raises(UserError, match=r"^fetch.source: \S+: cannot be read as Parquet: .+"):
            fetched("data/source/t.parquet", {"t.parquet": damaged})
    with pytest.raises(
        UserError, match=r"t\.parquet: is not a Parquet file, although its name says"
    ):
        fetched("data/source/t.parquet", {"t.parquet": IRIS})
    with pytest.raises(UserError, match=r"is Parquet, whose text is UTF-8; set prepare\.encod"):
        fetched("data/source/t.parquet", {"t.parquet": whole}, encoding="cp1252")


def test_without_pyarrow_the_command_is_named(fetched, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError) as raised:
        fetched("data/source/t.parquet", {"t.parquet": b"PAR1\x15"})
    assert str(raised.value) == (
        "fetch.source: data/source/t.parquet: is a Parquet file, run `uv pip install --requirement "
        "pyproject.toml --extra parquet --constraint requirements.txt`"
    )


def test_a_text_may_begin_as_parquet_does(fetched):
    assert fetched("data/source/t.csv", {"t.csv": "PAR1,y\n1,p\n"}) == "PAR1,y\n1,p\n"


DAYS = [dt.date(2021, 3, 1 + n % 28) for n in range(60)]
TIMES = [dt.datetime(2021, 3, 1 + n % 28, n % 24) for n in range(60)]
CUSTOMERS = {
    "day": DAYS,
    "at": TIMES,
    "in_utc": pa.array(TIMES, pa.timestamp("ms", "UTC")),
    "price": [n % 7 + 0.5 for n in range(60)],
    "name, in full": [["Ann", 'Bo "B"', "C, D"][n % 3] for n in range(60)],
    "gone": [n % 2 == 0 for n in range(60)],
}


def halves(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    ranges = [slice(0, 25), slice(25, None)]
    return [{name: column[part] for name, column in columns.items()} for part in ranges]


@pytest.mark.parametrize("is_folder", [False, True])
def test_init_finds_dates_in_parquet_and_the_table_is_prepared(copied: Clone, is_folder):
    source = copied.path / "data/source/customers"
    if is_folder:
        for number, half in enumerate(halves(CUSTOMERS)):
            write(source / f"{number}.parquet", half)
    else:
        write(source.with_suffix(".parquet"), CUSTOMERS)
    table = "data/source/customers" + ".parquet" * (not is_folder)
    said = copied.classifier("init", table).stdout.splitlines()
    assert [line.split()[1] for line in said[:3]] == ["date"] * 3
    prepare = yaml.safe_load(copied.read("params.yaml"))["prepare"]
    assert prepare["dates"] == {
        "day": "%Y-%m-%d", "at": "%Y-%m-%d %H:%M:%S", "in_utc": "%Y-%m-%d %H:%M:%S%z",
    }  # fmt: skip
    assert (prepare["header"], prepare["label"], prepare["exclude"]) == (True, "gone", [])
    copied.stage("fetch")
    copied.stage("prepare")
    schema = json.loads(copied.read("data/prepared/schema.json"))
    assert schema["counts"] == {"train": {"True": 30, "False": 30}}


@pytest.mark.parametrize("name", ["iris.tsv", "iris.tsv.gz", "iris.csv.gz", "iris.parquet"])
def test_init_and_prepare_take_each_kind_at_the_first_try(copied: Clone, name):
    iris_as(copied.path / "data/source" / name)
    copied.classifier("init", f"data/source/{name}")
    copied.stage("fetch")
    copied.stage("prepare")
    schema = json.loads(copied.read("data/prepared/schema.json"))
    assert {*schema["columns"]} == {*HEADER.strip().split(",")}
    assert [*schema["counts"]["train"].values()] == [50, 50, 50]


@pytest.mark.parametrize(
    ("parts", "columns", "encoding"),
    [
        ({"1.csv": "x;y\n", "2.csv.gz": gzip.compress(b"x;y\n" + b"1,5;p\n2;q\n" * 9),
          "3.csv": "x;y\n"}, ["x", "y"], "utf-8"),
        ({"1.tsv": "1\tp\n2\tq\n" * 9, "2.tsv": "3\tp\n"}, ["0", "1"], "utf-8"),
        ({"1.csv": "x,y\n" + "1,p\n2,q\n" * 9, "2.csv": "x,y\n1,\xfc\n".encode("cp1252")},
         ["x", "y"], "cp1252"),
    ],
)  # fmt: skip
def test_init_sees_how_parts_are_written(project, tmp_path, parts, columns, encoding):
    project()
    for name, content in parts.items():
        write(tmp_path / "data/source/parts" / name, content)
    layout = copy_table("data/source/parts", tmp_path / "table.csv")
    assert (layout.encoding, layout.header) == (encoding, columns[0] == "x")
    text = (tmp_path / "table.csv").read_bytes().decode(encoding)
    assert text.count("x") == layout.header
    assert text.splitlines()[0].count(layout.delimiter) == 1


def test_init_need_not_guess_how_parquet_is_written(project, tmp_path):
    project()
    write(tmp_path / "data/source/t.parquet", {"p": ["p", "q"] * 9, "y": ["a;b", "c;d"] * 9})
    layout = copy_table("data/source/t.parquet", tmp_path / "table.csv")
    assert (layout.delimiter, layout.header) == (",", True)


@pytest.fixture
def project_copy(copied: Clone, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """A copy of the reproduced clone, to evaluate in from this process."""
    monkeypatch.chdir(copied.path)
    return copied


def test_test_sets_of_each_kind_are_evaluated_by_their_names(project_copy):
    for name in ("one.csv.gz", "two.tsv", "three.TSV.gz", "four.parquet"):
        iris_as(project_copy.path / "data/test_sets" / name.lower())
    evaluate.main()
    found = json.loads(project_copy.read("metrics/evaluation.json"))
    assert [*found] == ["train", "four", "one", "three", "two"]
    same = found.pop("train") | {"rows_trained_on": 150}
    assert all(scores == same for scores in found.values())


def test_a_bad_test_set_is_called_by_its_own_name(project_copy):
    folder = project_copy.path / "data/test_sets"
    write(folder / "a.csv.gz", gzip.compress(HEADER.encode() + b"1,2,x,4,Iris-setosa\n"))
    with pytest.raises(UserError, match=r"^data/test_sets/a\.csv\.gz: row 2, column petal_length:"):
        evaluate.main()
    (folder / "a.csv.gz").rename(folder / "a.parquet.gz")
    with pytest.raises(UserError, match=r"^data/test_sets/a\.parquet\.gz: is not a Parquet file"):
        evaluate.main()
    iris_as(folder / "a.csv")
    with pytest.raises(UserError, match=r"a\.parquet\.gz: a already names data/test_sets/a\.csv;"):
        evaluate.main()


@pytest.mark.parametrize(
    "name", ["new.csv.gz", "new.tsv", "new.tsv.gz", "new.parquet", "-", "-.gz"]
)
def test_new_rows_of_each_kind_are_classified(reproduced: Clone, tmp_path, name):
    expected = reproduced.classifier("predict", str(iris_as(tmp_path / "new.csv")))
    if name[0] == "-":
        path = iris_as(tmp_path / "new.parquet")
        if name == "-.gz":
            path.write_bytes(gzip.compress(path.read_bytes()))
        with path.open("rb") as rows:
            done = reproduced.run("classifier", "predict", "-", stdin=rows)
    else:
        done = reproduced.classifier("predict", str(iris_as(tmp_path / name)))
    cells = [line.replace("\t", ",").split(",") for line in done.stdout.splitlines()]
    rows_of_csv = [line.split(",") for line in expected.stdout.splitlines()]
    assert [row[5:] for row in cells] == [row[5:] for row in rows_of_csv]
    assert done.stderr == expected.stderr


def test_a_bad_new_row_is_in_the_file_that_was_named(reproduced: Clone, tmp_path):
    path = tmp_path / "new.parquet"
    write(path, {name: ["x"] for name in HEADER.strip().split(",")})
    done = reproduced.classifier("predict", str(path), check=False)
    first, second, *_ = done.stderr.splitlines()
    assert first == f"error: {path}: row 2, column sepal_length: found 'x', expected a number"
    assert second == "  row 2, column sepal_width: found 'x', expected a number"
