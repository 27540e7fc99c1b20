"""fetch: local files and URLs, checked, tried again, never half there."""

import ftplib
import gzip
import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import Mock

import pytest

from classifier.base.errors import UserError
from stages import fetch
from tests.conftest import ROOT, Clone

IRIS = (ROOT / "data/source/iris.data").read_bytes()


class Server(ThreadingHTTPServer):
    """Serves iris.data on loopback; `troubles` holds what goes wrong with the next requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.troubles: list[str] = []
        self.requests = 0
        self.released = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/iris.data"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        trouble = self.server.troubles.pop(0) if self.server.troubles else ""
        if trouble == "hangs":
            self.server.released.wait(20)
        elif trouble.isdigit():
            self.send_error(int(trouble))
        elif trouble.startswith("to "):
            self.send_response(302)
            self.send_header("Location", trouble.removeprefix("to "))
            self.end_headers()
        elif trouble == "compresses":
            content = gzip.compress(IRIS)
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(content[: len(content) * 9 // 10])
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(IRIS)))
            self.end_headers()
            self.wfile.write(IRIS[: len(IRIS) // 2] if trouble == "truncates" else IRIS)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def fetched(project, monkeypatch):
    """Fetches a source in an empty project and returns what is in data/raw.csv then."""
    monkeypatch.setattr("time.sleep", lambda _: None)

    def fetched(source: str, **settings: object) -> bytes:
        folder: Path = project(fetch={"source": source, "timeout": 1.0, **settings})
        fetch.main()
        return (folder / "data/raw.csv").read_bytes()

    return fetched


def nothing_left(folder: Path) -> bool:
    return not list((folder / "data").glob("raw.csv*"))


def test_a_local_file_is_copied_byte_for_byte(fetched, tmp_path):
    (tmp_path / "data/source").mkdir(parents=True)
    (tmp_path / "data/source/iris.data").write_bytes(IRIS)
    assert fetched("data/source/iris.data") == IRIS


def test_two_colons_in_a_name_are_part_of_it(fetched, tmp_path):
    (tmp_path / "data/source").mkdir(parents=True)
    (tmp_path / "data/source/a").write_bytes(b"another")
    (tmp_path / "data/source/a::b").write_bytes(IRIS)
    assert fetched("data/source/a::b") == IRIS
    assert fetched((tmp_path / "data/source/a::b").as_uri().replace("%3A", ":")) == IRIS


def test_a_file_url_is_copied_byte_for_byte(fetched):
    assert fetched((ROOT / "data/source/iris.data").as_uri()) == IRIS


def test_a_url_is_downloaded(fetched, server):
    assert fetched(server.url) == IRIS
    assert server.requests == 1


def test_a_compressed_answer_that_is_cut_off_is_asked_for_again(fetched, server):
    server.troubles = ["compresses"]
    assert fetched(server.url) == IRIS
    server.troubles = ["compresses"] * 2
    with pytest.raises(UserError, match=r"iris\.data: is cut off or damaged"):
        fetched(server.url, retries=1)


def test_a_gz_file_is_unpacked_once_its_checksum_is_known(fetched, tmp_path):
    packed = tmp_path / "data/source/iris.csv.gz"
    packed.parent.mkdir(parents=True)
    packed.write_bytes(gzip.compress(IRIS))
    sha256 = hashlib.sha256(packed.read_bytes()).hexdigest()
    assert fetched("data/source/iris.csv.gz", sha256=sha256) == IRIS
    packed.write_bytes(gzip.compress(IRIS)[:-9])
    with pytest.raises(UserError, match=r"iris\.csv\.gz: is cut off or damaged"):
        fetched("data/source/iris.csv.gz", sha256=None)
    assert nothing_left(tmp_path) or (tmp_path / "data/raw.csv").read_bytes() == IRIS


@pytest.mark.parametrize("trouble", ["hangs", "truncates", "500", "408", "429"])
def test_a_transfer_that_fails_is_tried_again(fetched, server, trouble):
    server.troubles = [trouble, trouble]
    assert fetched(server.url, retries=2) == IRIS
    assert server.requests == 3


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("hangs", r"no answer in 1 s \(fetch.timeout\)"),
        ("truncates", "[^\n]+"),
        ("500", "the server answered 500 [^\n]+"),
    ],
)
def test_after_the_last_try_one_line_names_the_url(fetched, server, tmp_path, trouble, words):
    server.troubles = [trouble] * 2
    with pytest.raises(UserError, match=rf"^fetch.source: {server.url}: {words}$"):
        fetched(server.url, retries=1)
    assert server.requests == 2
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("status", [202, 206, 403, 404])
def test_a_refusal_or_a_part_is_no_table_and_is_not_tried_again(fetched, server, tmp_path, status):
    server.troubles = [str(status)] * 9
    with pytest.raises(UserError, match=server.url):
        fetched(server.url)
    assert server.requests == 1
    assert nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("to /iris.data", "the server redirects endlessly"),
        ("to git://host/file", "the server redirects to git://host/file"),
    ],
)
def test_a_redirect_that_leads_nowhere_is_not_tried_again(fetched, server, trouble, words):
    server.troubles = [trouble] * 99
    with pytest.raises(UserError, match=f": {words}$"):
        fetched(server.url)
    assert server.requests < 20


def test_an_error_of_the_storage_itself_is_one_line(fetched, monkeypatch):
    monkeypatch.setattr("ftplib.FTP.connect", Mock(side_effect=ftplib.error_perm("530 No")))
    with pytest.raises(UserError, match=r"^fetch.source: ftp://host/file: 530 No$"):
        fetched("ftp://host/file")


def test_a_wrong_checksum_names_both_and_leaves_no_file(fetched, server, tmp_path):
    with pytest.raises(UserError) as raised:
        fetched(server.url, sha256="0" * 64)
    assert "0" * 64 in str(raised.value)
    assert hashlib.sha256(IRIS).hexdigest() in str(raised.value)
    assert nothing_left(tmp_path)


def test_a_failed_fetch_leaves_the_earlier_file(fetched, server, tmp_path):
    fetched(server.url)
    with pytest.raises(UserError):
        fetched(server.url, sha256="0" * 64)
    assert (tmp_path / "data/raw.csv").read_bytes() == IRIS


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("data/source/none.csv", "no such file"),
        ("data/source", "/empty: is not a part, expected a name that ends in .csv, "),
        ("/etc/hostname", "not under data/source"),
        ("data/source/../../params.yaml", "not under data/source"),
        ("nosuch://host/file", "known are http, https, file, ftp, s3, gs, az, abfs, sftp, ssh"),
        ("reference://x", "unknown kind of URL"),
        ("git://x", "unknown kind of URL"),
        ("data://,abc", "unknown kind of URL"),
        ("ftp://", "no host after ftp://"),
        ("http://", "no host after http://"),
        ("https://:80/file", "no host after https://"),
        ("http://[::1]:9/file", "Cannot connect to host ::1:9"),
        ("http://127.0.0.1:9/a::b", "Cannot connect"),
        ("gs://bucket/file", "gcsfs"),
        ("http://127.0.0.1:9/file", "127.0.0.1:9"),
        ("file:///no/such/file", "not found"),
        ("file:///etc", "is a directory, expected a file"),
        ("file:///dev/null", "file:///dev/null: is a device, expected a file"),
        ("data/source/pipe", "/pipe: is a FIFO, expected a file"),
        ("data/source/loop", "is a symlink loop, expected a file"),
        ("http://[", "Invalid"),
        ("data/source/empty", "is empty"),
        ("http://me:a-secret@127.0.0.1:9/f", r"http://me:\*\*\*@127.0.0.1:9/f: Cannot connect"),
        ("ftp://127.0.0.1:9/file", "refused"),
    ],
)
def test_a_source_that_cannot_be_had_is_one_line(fetched, tmp_path, source, words):
    (tmp_path / "data/source").mkdir(parents=True)
    os.mkfifo(tmp_path / "data/source/pipe")
    (tmp_path / "data/source/loop").symlink_to("loop")
    (tmp_path / "data/source/empty").touch()
    with pytest.raises(UserError, match=rf"^(fetch.source: |data/source)[^\n]*{words}[^\n]*$"):
        fetched(source, retries=0)
    assert nothing_left(tmp_path)


def test_a_url_of_a_pipe_is_one_line(fetched, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="is a FIFO, expected a file"):
        fetched((tmp_path / "pipe").as_uri())


def test_a_url_is_not_contacted_when_nothing_changed(fresh: Clone, server):
    fresh.edit("params.yaml", "data/source/iris.data", server.url)
    fresh.dvc("repro", "fetch")
    fresh.dvc("repro", "fetch")
    fresh.dvc("status")
    assert server.requests == 1


@pytest.mark.parametrize("ending", ["failed", "was killed"])
def test_what_was_fetched_before_is_there_after_a_stage_that(copied, ending):
    """DVC removes other outputs before it runs their stage."""
    copied.edit("params.yaml", "data/source/iris.data", "http://127.0.0.1:9/iris.data")
    copied.edit("params.yaml", "retries: 3", "retries: 0")
    if ending == "was killed":
        copied.edit("dvc.yaml", "exec python -m stages.fetch", "kill -9 $$")
    before = copied.read("data/raw.csv")
    done = copied.run("dvc", "repro", "fetch", check=False)
    assert done.returncode
    assert "failed to reproduce 'fetch'" in done.stderr
    assert copied.read("data/raw.csv") == before
    copied.git("checkout", "params.yaml", "dvc.yaml")
    assert copied.stages_run(copied.dvc("repro")) == []
