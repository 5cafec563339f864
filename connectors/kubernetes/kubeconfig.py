"""Where an API server is and how to prove who we are: a kubeconfig, or the service account of the pod we run in.

Secrets stay where they are: a document names a file, and a token file is read again whenever it changes.
"""

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

POD_SECRETS = Path("/var/run/secrets/kubernetes.io/serviceaccount")
FILE_MAX_BYTES = 1_048_576


class BadKubeconfig(ValueError):  # noqa: N818  said of a file, not of us
    """A kubeconfig that cannot be used; says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Access:
    """One API server, and one identity. Nothing secret is printed."""

    server: str
    """https://host:port, without a path of its own at the end."""
    authority: str = field(default="", repr=False)
    """PEM of the certificates to trust; empty for those of this machine."""
    token: str = field(default="", repr=False)
    token_file: str = ""
    """Read for every request: service account tokens are renewed in place."""
    certificate: str = field(default="", repr=False)
    """PEM of our own certificate and its key, together."""
    server_name: str = ""
    """The name that the server's certificate must have; empty for its host."""

    def bearer(self) -> str:
        """The token to send now, empty for none. OSError where its file cannot be read."""
        return Path(self.token_file).read_text(encoding="utf-8").strip() if self.token_file else self.token

    def context(self) -> ssl.SSLContext:
        """TLS as this identity. Raises BadKubeconfig for certificates that are none."""
        try:
            context = ssl.create_default_context(cadata=self.authority or None)
            if self.certificate:
                _load_certificate(context, self.certificate)
        except (ssl.SSLError, ValueError) as error:
            raise BadKubeconfig(f"a certificate cannot be used: {error}") from None
        return context


def _load_certificate(context: ssl.SSLContext, pem: str) -> None:
    """From a file that nobody else can read and that is gone at once: the ssl module takes nothing but paths."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)


def from_kubeconfig(path: Path, context: str = "") -> Access:
    """The access of a context, of the current one where none is named. Raises BadKubeconfig.

    Exec plugins and auth providers are refused: they would run a program of somebody's choice inside the controller,
    and a hanging one would hang it.
    """
    document = _document(path)
    name = context or _word(document, "current-context", path)
    chosen = _named(document, "contexts", "context", name, path)
    cluster = _named(document, "clusters", "cluster", _word(chosen, "cluster", path), path)
    user = _named(document, "users", "user", _word(chosen, "user", path), path)
    for banned in ("exec", "auth-provider"):
        if banned in user:
            raise BadKubeconfig(
                f"{path}: the user of context {name!r} logs in by `{banned}`, a program that would run inside the "
                "controller; make a service account (`equipoise rbac` prints one) and use its token"
            )
    if cluster.get("insecure-skip-tls-verify"):
        raise BadKubeconfig(f"{path}: context {name!r} skips the check of the server's certificate; name its authority")
    server = _word(cluster, "server", path)
    if not server.startswith(("https://", "http://127.0.0.1:", "http://localhost:", "http://[::1]:")):
        raise BadKubeconfig(f"{path}: server {server!r} is not https; a token would go over the network in the clear")
    return Access(
        server=server.rstrip("/"),
        authority=_pem(cluster, "certificate-authority", path),
        token=str(user.get("token") or ""),
        token_file=str(_beside(path, user["tokenFile"])) if user.get("tokenFile") else "",
        certificate=_pair(user, path),
        server_name=str(cluster.get("tls-server-name") or ""),
    )


def from_pod(environment: Mapping[str, str] = os.environ, secrets: Path = POD_SECRETS) -> Access:
    """The access of the pod we run in. Raises BadKubeconfig outside of one."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise BadKubeconfig(
            "no kubeconfig is named, and this is no pod of a cluster (KUBERNETES_SERVICE_HOST is unset)"
        )
    try:
        authority = (secrets / "ca.crt").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadKubeconfig(f"{secrets / 'ca.crt'}: {error}") from None
    shown = f"[{host}]" if ":" in host else host
    return Access(f"https://{shown}:{port}", authority, token_file=str(secrets / "token"))


def _document(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > FILE_MAX_BYTES:
            raise BadKubeconfig(f"{path}: more than {FILE_MAX_BYTES} bytes; this is no kubeconfig")
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadKubeconfig(f"{path}: {error.strerror}") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise BadKubeconfig(f"{path}: not YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(document, dict):
        raise BadKubeconfig(f"{path}: not a kubeconfig")
    return document


def _named(document: Mapping[str, Any], listed: str, key: str, name: str, path: Path) -> Mapping[str, Any]:
    entries = document.get(listed)
    known = (
        {str(e.get("name")): e.get(key) for e in entries if isinstance(e, dict)} if isinstance(entries, list) else {}
    )
    found = known.get(name)
    if not isinstance(found, dict):
        raise BadKubeconfig(f"{path}: no {key} {name!r}; there is {', '.join(sorted(known)) or 'none'}")
    return found


def _word(mapping: Mapping[str, Any], key: str, path: Path) -> str:
    word = mapping.get(key)
    if not isinstance(word, str) or not word:
        raise BadKubeconfig(f"{path}: {key} is missing")
    return word


def _pem(mapping: Mapping[str, Any], key: str, path: Path) -> str:
    """What `<key>-data` holds or the file `<key>` names; empty where neither is given."""
    inline, file = mapping.get(f"{key}-data"), mapping.get(key)
    try:
        if inline:
            return base64.b64decode(str(inline), validate=True).decode()
        return _beside(path, str(file)).read_text(encoding="utf-8") if file else ""
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BadKubeconfig(f"{path}: {key}: {error}") from None
    except OSError as error:
        raise BadKubeconfig(f"{path}: {key} {file}: {error.strerror}") from None


def _pair(user: Mapping[str, Any], path: Path) -> str:
    certificate, key = _pem(user, "client-certificate", path), _pem(user, "client-key", path)
    if bool(certificate) != bool(key):
        raise BadKubeconfig(f"{path}: client-certificate and client-key belong together")
    return f"{certificate}\n{key}" if key else ""


def _beside(path: Path, named: str) -> Path:
    return path.parent / named
