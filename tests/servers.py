"""Real servers on loopback to share artifacts through, each started and stopped by the tests."""

import http.server
import logging
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

HERE, USER, PASSWORD = "127.0.0.1", "tester", "a word"
WHOLE = float("inf")


class Proxy:
    """A network to a port on this machine that can be cut off after a number of bytes."""

    def __init__(self, port: int) -> None:
        self.target, self.left = port, WHOLE
        self.listener = socket.create_server((HERE, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()

    def accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection((HERE, self.target))
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self.forward, args=ends, daemon=True).start()

    def forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while (data := source.recv(16_384)) and self.left > 0:
                self.left -= len(data)
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def serving(server: Any) -> Iterator[int]:
    """Run a socketserver in a thread; yield its port."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass

    def end_headers(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.is_file():  # by which DVC knows what is behind a URL
            self.send_header("ETag", f'"{path.stat().st_mtime_ns}"')
        super().end_headers()


def http_server(folder: Path) -> Any:
    """Return a context that serves a folder for reading and yields the port."""
    handler = partial(QuietHandler, directory=str(folder))
    return serving(http.server.ThreadingHTTPServer((HERE, 0), handler))


@contextmanager
def ssh_server(folder: Path) -> Iterator[int]:
    """Run OpenSSH's sshd for the key in the folder; yield its port."""
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if not sshd:
        pytest.skip("there is no sshd; install openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd wants it of root
    for name in ("host_key", "key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name]
        subprocess.run(command, cwd=folder, check=True)
    port = free_port()
    (folder / "sshd_config").write_text(
        f"ListenAddress {HERE}:{port}\nHostKey {folder}/host_key\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/key.pub\nStrictModes no\nUsePAM no\n"
        "Subsystem sftp internal-sftp\n"
    )
    with (folder / "log").open("w") as log:
        command = [sshd, "-D", "-e", "-f", f"{folder}/sshd_config"]
        process = subprocess.Popen(command, stderr=log, start_new_session=True)
    try:
        wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.create_server((HERE, 0)) as server:
        port: int = server.getsockname()[1]
        return port


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return once something listens; fail if the process ends before."""
    for _ in range(200):
        with suppress(OSError), socket.create_connection((HERE, port), timeout=1):
            return
        assert process.poll() is None, "the server has ended"
        time.sleep(0.05)
    pytest.fail("the server does not listen")


@contextmanager
def webdav_server(folder: Path) -> Iterator[int]:
    """Serve a folder by WsgiDAV to the user; yield the port."""
    from cheroot.wsgi import Server
    from wsgidav.wsgidav_app import WsgiDAVApp

    users = {"*": {USER: {"password": PASSWORD}}}
    app = WsgiDAVApp(
        {
            "provider_mapping": {"/": str(folder)},
            "simple_dc": {"user_mapping": users},
            "http_authenticator": {"domain_controller": None},
            "verbose": 0,
            "logging": {"enable": False},
        }
    )
    server = Server((HERE, 0), app)
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server.bind_addr[1]
    finally:
        server.stop()
        thread.join()


@contextmanager
def s3_server(_: Path) -> Iterator[int]:
    """Run moto's S3, which keeps objects in memory; yield its port."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(HERE, port=0, verbose=False)
    server.start()
    try:
        yield server.get_host_and_port()[1]
    finally:
        server.stop()
