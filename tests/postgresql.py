"""A real PostgreSQL of our own, for tests of what several controllers share."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests import real

SETTINGS = {"fsync": "off", "max_connections": "60", "shared_buffers": "16MB", "listen_addresses": "127.0.0.1"}
"""fsync is off because no test cuts the power; all that is tested of durability is a killed client."""


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a fresh server on loopback, without a password. Skips the test where none is installed."""
    server = Path(real.require("postgresql")).resolve()
    folder = Path(tempfile.mkdtemp(prefix="equipoise-pg-"))
    as_user = _unprivileged(folder)
    port = _free_port()
    try:
        create = [server.with_name("initdb"), "-D", folder / "data", "-U", "equipoise", "-A", "trust", "--no-sync"]
        subprocess.run([*as_user, *create], check=True, capture_output=True, cwd=folder)
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        run = [server, "-D", folder / "data", "-p", str(port), "-k", folder, *settings]
        with (folder / "log").open("wb") as log, subprocess.Popen([*as_user, *run], stdout=log, stderr=log) as process:
            try:
                yield _ready(f"postgresql://equipoise@127.0.0.1:{port}/postgres", folder / "log")
            finally:
                process.send_signal(signal.SIGINT)  # fast: it waits for no client
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def database(server: str, name: str) -> str:
    """The URL of a new, empty database on a server."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return server.rpartition("/")[0] + f"/{name}"


def _unprivileged(folder: Path) -> list[str]:
    """How to start a command that refuses to run as root; the folder becomes its user's."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("postgres" if "postgres" in {entry.pw_name for entry in pwd.getpwall()} else "nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _ready(url: str, log: Path, within_s: float = 30.0) -> str:
    end_s = time.monotonic() + within_s
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            assert time.monotonic() < end_s, log.read_text(encoding="utf-8")
        else:
            return url


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
