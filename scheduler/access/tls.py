"""TLS contexts of our listeners, read from files that the documents name, and read anew when these change."""

import ssl
from collections.abc import Callable
from pathlib import Path

import structlog

log = structlog.get_logger()


def server_context(certificate: str, key: str, client_ca: str | None, *, required: bool) -> ssl.SSLContext:
    """TLS 1.2 and up. With `client_ca` clients may, or where `required` have to, show a certificate of it.

    OSError (ssl.SSLError is one) where a file cannot be used. Files that are renewed hold for the next connection;
    while they cannot be used, the ones before do.
    """

    def read() -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        return context

    context = read()
    _follow(context, read, tuple(Path(file) for file in (certificate, key, client_ca) if file))
    return context


def _follow(context: ssl.SSLContext, read: Callable[[], ssl.SSLContext], files: tuple[Path, ...]) -> None:
    """Look at the files at every handshake: a few system calls, and nothing is read while they stay as they are."""
    seen, newest = _stamp(files), context

    def look(connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        nonlocal seen, newest
        try:
            now = _stamp(files)
            if now != seen:
                seen = now
                newest = read()
                log.info("certificate renewed", file=str(files[0]))
        except OSError as error:
            log.warning("renewed certificate cannot be used, the one before stays", detail=str(error))
        if newest is not context:
            connection.context = newest

    context.sni_callback = look


def _stamp(files: tuple[Path, ...]) -> tuple[tuple[int, int], ...]:
    return tuple((found.st_mtime_ns, found.st_ino) for found in (file.stat() for file in files))
