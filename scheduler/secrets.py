"""Secrets by reference: where a document says that they are, read when they are needed and kept nowhere."""

import base64
import os
from collections.abc import Callable, Mapping

from config.apis import ApiAccess, Secret
from connectors.http import Access, secret_file

Headers = Callable[[], Mapping[str, str]]


def value_of(secret: Secret) -> str:
    """The secret. OSError or ValueError, without it, where it is not there."""
    if secret.env:
        found = os.environ.get(secret.env)
        if not found:
            raise ValueError(f"environment variable {secret.env} is not set")
        return found
    return secret_file(str(secret.file))


def none() -> Mapping[str, str]:
    """No secret."""
    return {}


def header(name: str, secret: Secret | None, prefix: str = "") -> Headers:
    """A header with a secret in it."""
    return (lambda: {name: f"{prefix}{value_of(secret)}"}) if secret is not None else none


def basic(user: str | None, password: Secret | None) -> Headers:
    """HTTP Basic."""
    if user is None or password is None:
        return none

    def headers() -> Mapping[str, str]:
        pair = f"{user}:{value_of(password)}".encode()
        return {"authorization": f"Basic {base64.b64encode(pair).decode()}"}

    return headers


def access_of(mesh: ApiAccess, secret_headers: Headers = none) -> Access:
    """How to reach an API."""
    return Access(
        url=str(mesh.url), secret_headers=secret_headers, ca_file=mesh.ca_file or "",
        certificate_file=mesh.certificate_file or "", key_file=mesh.key_file or "", timeout_s=mesh.timeout_seconds,
    )  # fmt: skip
