"""Bearer tokens: drawn, hashed, recognised. Only hashes are ever kept."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import date

from config.access import AccessToken, ClientCertificate
from scheduler.access.role import Principal, Role

PREFIX = "eqp_"
"""So that scanners of repositories know one when they see it."""
BYTES = 32


def drawn() -> str:
    """A new token of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(BYTES)


def sha256_of(token: str) -> str:
    """What documents keep of it. Its 256 random bits need neither salt nor stretching."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def whose(token: str, known: Sequence[AccessToken], today: date) -> Principal | None:
    """Who shows it, None for nobody. Takes the same time whoever asks."""
    shown, found = sha256_of(token), None
    for one in known:
        if hmac.compare_digest(shown, one.sha256):
            found = one
    if found is None or (found.expires is not None and today >= found.expires):
        return None
    return Principal(found.name, Role(found.role), "token")


def certified(subjects: Sequence[str], known: Sequence[ClientCertificate]) -> Principal | None:
    """Who shows a certificate with these subjects, None for nobody."""
    for one in known:
        if one.subject in subjects:
            return Principal(one.name, Role(one.role), "certificate")
    return None


def subjects_of(certificate: dict[str, object] | None) -> tuple[str, ...]:
    """Common names, DNS names and URIs of a peer's certificate, as `SSLSocket.getpeercert` gives it."""
    if not certificate:
        return ()
    subject, names = certificate.get("subject", ()), certificate.get("subjectAltName", ())
    assert isinstance(subject, tuple)
    assert isinstance(names, tuple)
    common = tuple(value for part in subject for key, value in part if key == "commonName")
    return common + tuple(value for kind, value in names if kind in {"DNS", "URI"})
