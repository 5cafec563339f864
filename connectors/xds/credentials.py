"""Mutual TLS of the xDS server: who it is, and whose certificates it takes. Files that are renewed are read anew."""

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog

log = structlog.get_logger()
Stamp = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files on this machine."""

    certificate: str
    key: str
    client_ca: str
    """The authorities of the proxies' certificates."""

    def check(self) -> None:
        """Raise OSError where one cannot be read, is none, or the key is another certificate's."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.certificate, self.key)
            context.load_verify_locations(self.client_ca)
        except OSError as error:
            raise OSError(f"xdsTls: {self.certificate}, {self.key}, {self.client_ca}: {error}") from error

    def stamp(self) -> Stamp:
        """Changes when one of them does. Raises OSError."""
        found = [Path(file).stat() for file in (self.certificate, self.key, self.client_ca)]
        return tuple((one.st_mtime_ns, one.st_ino) for one in found)

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """What is in them. Raises OSError."""
        key, certificate, client_ca = (Path(f).read_bytes() for f in (self.key, self.certificate, self.client_ca))
        return grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca)


def credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Credentials that follow the files. Raises OSError for those that cannot be used."""
    files.check()
    before = files.stamp()
    return grpc.dynamic_ssl_server_credentials(
        files.configuration(), _renewed(files, before), require_client_authentication=True
    )


def _renewed(files: TlsFiles, before: Stamp) -> Callable[[], grpc.ServerCertificateConfiguration | None]:
    """Asked at every handshake, by any thread: None where nothing changed, or what changed cannot be used."""
    seen, lock = [before], threading.Lock()

    def look() -> grpc.ServerCertificateConfiguration | None:
        with lock:
            try:
                now = files.stamp()
                if now == seen[0]:
                    return None
                seen[0] = now
                files.check()
                found = files.configuration()
            except OSError as error:
                log.warning("renewed certificate cannot be used, the one before stays", detail=str(error))
                return None
        log.info("certificate renewed", file=files.certificate)
        return found

    return look


def subjects_of(context: grpc.aio.ServicerContext) -> frozenset[str]:
    """Common name, DNS names and URIs of the certificate that a peer showed."""
    shown = context.auth_context() or {}
    names = [*shown.get("x509_common_name", ()), *shown.get("peer_dns", ()), *shown.get("peer_uri", ())]
    return frozenset(name.decode("utf-8", "replace") for name in names)
