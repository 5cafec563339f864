"""The real programs that some tests drive: where they are, and what happens when they are not there."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def envoy_path() -> str | None:
    """EQUIPOISE_ENVOY, or the one that `make install` put beside the repository's own environment."""
    found = Path(os.environ.get("EQUIPOISE_ENVOY") or ROOT / ".envoy/envoy/_bin/envoy")
    return str(found) if os.access(found, os.X_OK) else None


def prometheus_path() -> str | None:
    """EQUIPOISE_PROMETHEUS, or the one on PATH."""
    return shutil.which(os.environ.get("EQUIPOISE_PROMETHEUS") or "prometheus")


def haproxy_path() -> str | None:
    """EQUIPOISE_HAPROXY, or the one on PATH, or where Debian puts it for root alone."""
    return shutil.which(os.environ.get("EQUIPOISE_HAPROXY") or "haproxy") or shutil.which("/usr/sbin/haproxy")


def nginx_path() -> str | None:
    """EQUIPOISE_NGINX, or the one on PATH, or where Debian puts it for root alone."""
    return shutil.which(os.environ.get("EQUIPOISE_NGINX") or "nginx") or shutil.which("/usr/sbin/nginx")


def powerdns_path() -> str | None:
    """EQUIPOISE_POWERDNS, or the one on PATH, or where Debian puts it for root alone."""
    return shutil.which(os.environ.get("EQUIPOISE_POWERDNS") or "pdns_server") or shutil.which("/usr/sbin/pdns_server")


def chromium_path() -> str | None:
    """EQUIPOISE_CHROMIUM, or the one on PATH."""
    return shutil.which(os.environ.get("EQUIPOISE_CHROMIUM") or "chromium")


def postgresql_path() -> str | None:
    """The `postgres` of EQUIPOISE_POSTGRESQL, of PATH, or the newest that Debian keeps; `initdb` lies beside it."""
    named = shutil.which(os.environ.get("EQUIPOISE_POSTGRESQL") or "postgres")
    return named or next((str(path) for path in sorted(DEBIAN_POSTGRESQL.glob("*/bin/postgres"), reverse=True)), None)


DEBIAN_POSTGRESQL = Path("/usr/lib/postgresql")


def helm_path() -> str | None:
    """EQUIPOISE_HELM, or the one that `make test` put beside the repository's own environment."""
    found = Path(os.environ.get("EQUIPOISE_HELM") or ROOT / ".kube/helm/helm")
    return str(found) if os.access(found, os.X_OK) else None


def kubectl_path() -> str | None:
    """EQUIPOISE_KUBECTL, the one that `make test` put beside the repository's own environment, or the one on PATH."""
    beside = ROOT / ".kube/kubectl/kubectl"
    named = os.environ.get("EQUIPOISE_KUBECTL") or (str(beside) if beside.exists() else "kubectl")
    return shutil.which(named)


def consul_path() -> str | None:
    """EQUIPOISE_CONSUL, or the one on PATH."""
    return shutil.which(os.environ.get("EQUIPOISE_CONSUL") or "consul")


PROGRAMS = {
    "consul": consul_path,
    "kubectl": kubectl_path,
    "helm": helm_path,
    "haproxy": haproxy_path,
    "envoy": envoy_path,
    "prometheus": prometheus_path,
    "nginx": nginx_path,
    "powerdns": powerdns_path,
    "chromium": chromium_path,
    "postgresql": postgresql_path,
}


def require(name: str) -> str:
    """The path of a program. Without it the test is skipped, or fails where EQUIPOISE_REQUIRE=envoy,... lists it."""
    path = PROGRAMS[name]()
    if path is not None:
        return path
    reason = f"{name} is not installed; set EQUIPOISE_{name.upper()} to its path"
    if name in os.environ.get("EQUIPOISE_REQUIRE", "").split(","):
        pytest.fail(reason)
    pytest.skip(reason)
