"""What the command line shows a controller: a token by reference, never on the command line itself."""

import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import typer

VARIABLE, FILE, CA = "EQUIPOISE_TOKEN", "EQUIPOISE_TOKEN_FILE", "EQUIPOISE_CA_FILE"
CERTIFICATE, KEY = "EQUIPOISE_CERTIFICATE_FILE", "EQUIPOISE_KEY_FILE"
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def shown(server: str) -> dict[str, str]:
    """The header with the token of EQUIPOISE_TOKEN_FILE or EQUIPOISE_TOKEN, if any; not over plain HTTP elsewhere."""
    file = os.environ.get(FILE)
    try:
        token = Path(file).read_text(encoding="utf-8").strip() if file else os.environ.get(VARIABLE, "").strip()
    except OSError as error:
        _fail(f"{FILE}: {error}")
    if not token:
        return {}
    url = urlsplit(server)
    if url.scheme != "https" and url.hostname not in LOOPBACK:
        _fail(f"{server}: a token is shown over https only, or to this machine")
    return {"Authorization": f"Bearer {token}"}


def trusted() -> ssl.SSLContext | bool:
    """What to trust a controller by: EQUIPOISE_CA_FILE, or the system's; with a client certificate if there is one."""
    ca, certificate = os.environ.get(CA), os.environ.get(CERTIFICATE)
    if not ca and not certificate:
        return True
    try:
        context = ssl.create_default_context(cafile=ca)
        if certificate:
            context.load_cert_chain(certificate, os.environ.get(KEY))
    except OSError as error:
        _fail(f"{CA}, {CERTIFICATE}, {KEY}: {error}")
    return context


def _fail(words: str) -> None:
    typer.echo(words, err=True)
    raise typer.Exit(1)
