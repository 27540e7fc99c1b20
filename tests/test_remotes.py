"""Artifacts go through real servers and come back the same, whatever happens on the way."""

import random
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from tests import servers
from tests.conftest import ROOT, Clone
from tests.sharing import CACHE, DAMAGE, MODEL, RAW, REMOTE, SCHEMA, Shared, cut_off, flip_a_bit

HERE = "all artifacts that dvc.lock names are here\n"
BIG = "metrics/predictions/big.csv"


def documented(heading: str) -> list[list[str]]:
    """Return the commands of a section of docs/sharing.md."""
    section = (ROOT / "docs/sharing.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return [shlex.split(line) for line in "".join(blocks).splitlines()]


@dataclass
class Remote:
    """A server, the commands that make it a remote, and what it keeps."""

    port: int
    heading: str
    here: dict[str, str]  # what stands for what in the documented commands
    kept: "Folder | Bucket"

    def give_to(self, shared: Shared, port: int | None = None) -> None:
        """Make it the clone's default remote, as docs/sharing.md says."""
        for command in documented(self.heading):
            if command[:2] == ["dvc", "remote"]:
                for there, here in self.here.items():
                    command[-1] = command[-1].replace(there, here.format(port or self.port))
                assert shared.dvc(*command[1:]) == 0


class Folder:
    """What a server keeps in a folder of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def damage(self, path: str, lost: str) -> None:
        DAMAGE[lost](self.path / path)


class Bucket:
    """What an S3 server keeps in a bucket."""

    def __init__(self, port: int) -> None:
        self.s3 = boto3.client(
            "s3",
            endpoint_url=f"http://{servers.HERE}:{port}",
            aws_access_key_id=servers.USER,
            aws_secret_access_key=servers.PASSWORD,
        )
        self.s3.create_bucket(Bucket="bucket")

    def damage(self, path: str, lost: str) -> None:
        whole = {"Bucket": "bucket", "Key": f"iris/{path}"}
        content = self.s3.get_object(**whole)["Body"].read()
        if lost == "the file":
            self.s3.delete_object(**whole)
        else:
            half = content[: len(content) // 2]
            self.s3.put_object(**whole, Body=half if lost == "the end" else b"x" + content[1:])


KEYS = {
    "aws_access_key_id": "tester",
    "aws_secret_access_key": "secret",
    "region_name": "us-east-1",
}


def ssh(folder: Path, port: int) -> Remote:
    here = {"//server.example.org/srv/dvc/iris": f"//{servers.HERE}:{{}}{folder}/kept"}
    return Remote(
        port, "SSH", here | {"~/.ssh/id_ed25519": f"{folder}/key"}, Folder(folder / "kept")
    )


def webdav(folder: Path, port: int) -> Remote:
    (folder / "iris").mkdir()
    here = {"webdavs://server.example.org": f"webdav://{servers.HERE}:{{}}"}
    here |= {"somebody": servers.USER, "the password": servers.PASSWORD}
    return Remote(port, "WebDAV", here, Folder(folder / "iris"))


def s3(_: Path, port: int) -> Remote:
    here = {"https://s3.example.org": f"http://{servers.HERE}:{{}}"}
    here |= {"the key": servers.USER, "the secret": servers.PASSWORD}
    return Remote(port, "S3", here, Bucket(port))


SSH = pytest.param((servers.ssh_server, ssh), id="ssh")
WEBDAV, S3 = (servers.webdav_server, webdav), (servers.s3_server, s3)
SLOW = [pytest.param(WEBDAV, id="webdav", marks=pytest.mark.slow),
        pytest.param(S3, id="s3", marks=pytest.mark.slow)]  # fmt: skip


@pytest.fixture(autouse=True)
def loopback(monkeypatch):
    """Nothing is between the tests and their servers; one that is down is not tried for long."""
    monkeypatch.setenv("no_proxy", servers.HERE)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture(scope="module", params=[SSH, *SLOW])
def remote(request: pytest.FixtureRequest, tmp_path_factory) -> Iterator[Remote]:
    """A server that tests share; each pushes what it needs."""
    start, describe = request.param
    folder = tmp_path_factory.mktemp("server")
    with start(folder) as port:
        yield describe(folder, port)


def test_what_was_pushed_comes_back_and_nothing_is_run(shared, remote):
    remote.give_to(shared)
    assert shared.run("push")[1].startswith("remote team has everything that dvc.lock names\n")
    shared.wipe()
    assert shared.run("pull") == (0, HERE)
    assert shared.stages_run() == []
    assert shared.is_well()


@pytest.mark.parametrize("remote", [SSH, pytest.param(WEBDAV, id="webdav"), SLOW[1]], indirect=True)
def test_damage_on_the_server_is_found_and_repaired(shared, remote):
    remote.give_to(shared)
    shared.run("push")
    for file, lost in zip((RAW, MODEL, SCHEMA), DAMAGE, strict=True):
        remote.kept.damage(shared.stored(file), lost)
    assert shared.dvc("push") == 0, "DVC sees nothing to do"
    assert shared.verify("--remote") == (
        1,
        f"{RAW}: damaged (remote team)\n{SCHEMA}: missing (remote team)\n"
        f"{MODEL}: damaged (remote team)\n27 files: 3 missing, damaged or changed\n",
    )
    assert shared.run("push")[0] == 0, "what is missing or of another size is pushed again"
    code, shown = shared.verify("--remote", "--repair")
    assert (code, shown.splitlines()[0]) == (0, f"{RAW}: damaged (remote team): repaired")
    assert shared.is_well()


def test_a_damaged_file_is_not_pulled(shared, remote):
    remote.give_to(shared)
    shared.run("push")
    remote.kept.damage(shared.stored(RAW), "a bit")
    shared.wipe()
    code, shown = shared.run("pull")
    assert (code, shown.splitlines()[0]) == (1, f"{RAW}: damaged (remote team)")
    assert not (shared.clone.path / RAW).exists()
    (shared.clone.path / RAW).write_bytes(shared.before[RAW])
    assert shared.verify("--remote", "--repair")[0] == 0
    assert shared.is_well(), "the others have come"


def test_the_remote_that_is_set_up_gives_nothing_damaged(shared):
    flip_a_bit(shared.path(REMOTE, RAW))
    shared.wipe()
    assert shared.dvc("pull") != 0
    assert not (shared.clone.path / RAW).exists()


def test_a_server_that_is_down_is_one_line(shared, remote):
    remote.give_to(shared, servers.free_port())
    shared.path(CACHE).unlink()
    for command in (["verify", "--remote"], ["push"], ["pull"]):
        code, shown = shared.run(*command)
        assert (code, shown.count("\n")) == (2, 1)
        assert shown.startswith("error: remote team: ")


@pytest.fixture
def heavy(shared: Shared) -> Shared:
    """A clone with an artifact of some megabytes."""
    (shared.clone.path / BIG).write_bytes(random.randbytes(4_000_000))
    assert shared.dvc("commit", "--force") == 0
    shared.clone.commit("A large artifact")
    return Shared(shared.clone)


def test_a_network_that_drops_half_way_leaves_nothing_wrong_behind(heavy, remote):
    half = 2_000_000
    with servers.Proxy(remote.port) as network:
        remote.give_to(heavy, network.port)
        network.left = half
        code, shown = heavy.run("push")
        assert (code, shown.count("\n")) == (2, 1)
        assert shown.startswith("error: ")
        network.left = servers.WHOLE
        assert heavy.run("push")[0] == 0
        assert heavy.verify("--remote")[0] == 0
        heavy.wipe()
        network.left = half
        assert heavy.run("pull")[0] == 2
        network.left = servers.WHOLE
        assert heavy.run("pull") == (0, HERE)
        assert heavy.is_well()


@pytest.fixture
def web(shared: Shared) -> Iterator[Shared]:
    """A clone whose remote is the web server of the folder that was pushed to."""
    with servers.http_server(shared.remote) as port:
        here = {"https://server.example.org/iris": f"http://{servers.HERE}:{{}}"}
        Remote(port, "HTTP, to read", here, Folder(shared.remote)).give_to(shared)
        yield shared


def test_artifacts_are_read_from_a_web_server(web):
    web.wipe()
    assert web.run("pull") == (0, HERE)
    assert web.stages_run() == []
    assert web.is_well()


def test_a_web_server_heals_and_is_not_healed(web):
    cut_off(web.path(CACHE))
    cut_off(web.path(REMOTE, RAW))
    code, shown = web.verify("--remote", "--repair")
    assert code == 1
    assert (
        f"{RAW}: damaged (remote team): not repaired\n{MODEL}: damaged (cache): repaired" in shown
    )
    assert "Traceback" not in shown
    assert web.clone.files() == web.before


def test_a_web_server_that_is_down_has_lost_nothing(web):
    web.dvc("remote", "modify", "team", "url", f"http://{servers.HERE}:{servers.free_port()}")
    code, shown = web.verify("--remote")
    assert code == 2
    assert shown.startswith("error: remote team: ")


def test_the_other_documented_commands_work(shared):
    for command in documented("A folder") + documented("Google Cloud Storage and Azure"):
        if command[:2] == ["dvc", "remote"]:
            if command[2] == "add":
                shared.clone.git("checkout", ".dvc/config")
                (shared.clone.path / ".dvc/config.local").unlink(missing_ok=True)
            assert shared.dvc(*command[1:]) == 0


def test_the_plug_ins_are_extras():
    """They are in the environment of the tests, so uv finds them there."""
    for heading in ("SSH", "WebDAV", "S3"):
        [install] = [words for words in documented(heading) if words[0] == "uv"]
        assert f"--extra {heading.lower()} " in shlex.join(install)
        Clone(ROOT).run(*install, "--offline", "--dry-run")
