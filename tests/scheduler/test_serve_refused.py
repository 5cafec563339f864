"""What `serve` refuses before anything runs: in one line, with the remedy."""

import asyncio
import socket
from pathlib import Path

import pytest

from scheduler.serve import serve
from tests.scheduler.running import write_documents


def served(documents: Path) -> None:
    """As the command line does."""
    asyncio.run(serve((documents,)))


def changed(documents: Path, before: str, after: str) -> Path:
    policy = documents / "policy.yaml"
    text = policy.read_text(encoding="utf-8")
    assert before in text
    policy.write_text(text.replace(before, after), encoding="utf-8")
    return documents


def test_serve_with_an_api_beyond_this_machine_is_refused(tmp_path: Path) -> None:
    documents = changed(write_documents(tmp_path), 'api: "127.0.0.1:', 'api: "0.0.0.0:')

    with pytest.raises(ValueError, match="without credentials; use a loopback address"):
        served(documents)


def test_serve_with_xds_beyond_this_machine_and_no_tls_is_refused(tmp_path: Path) -> None:
    documents = changed(write_documents(tmp_path), 'xds: "127.0.0.1:', 'xds: "0.0.0.0:')

    with pytest.raises(ValueError, match=r"bind a loopback address, or give server\.xdsTls"):
        served(documents)


def test_serve_with_files_of_tls_that_are_not_there_is_refused_before_it_has_a_term(tmp_path: Path) -> None:
    files = {name: f"/nowhere/{name}" for name in ("certificateFile", "keyFile", "clientCaFile")}
    proxies = 'proxies: {address: "localhost:1", caFile: a, certificateFile: b, keyFile: c}'
    words = ", ".join(f"{name}: {file}" for name, file in files.items())
    documents = changed(write_documents(tmp_path), "server: {", f"server: {{xdsTls: {{{words}, {proxies}}}, ")

    with pytest.raises(OSError, match="xdsTls: /nowhere/certificateFile"):
        served(documents)


def test_second_controller_on_the_same_port_says_what_is_wrong(tmp_path: Path) -> None:
    documents = write_documents(tmp_path)
    port = int((documents / "policy.yaml").read_text(encoding="utf-8").split('api: "127.0.0.1:')[1].split('"')[0])

    with socket.create_server(("127.0.0.1", port)), pytest.raises(OSError, match=r"is another controller there\?"):
        served(documents)
