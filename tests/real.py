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


PROGRAMS = {"haproxy": haproxy_path, "envoy": envoy_path, "prometheus": prometheus_path}


def require(name: str) -> str:
    """The path of a program. Without it the test is skipped, or fails where EQUIPOISE_REQUIRE=envoy,... lists it."""
    path = PROGRAMS[name]()
    if path is not None:
        return path
    reason = f"{name} is not installed; set EQUIPOISE_{name.upper()} to its path"
    if name in os.environ.get("EQUIPOISE_REQUIRE", "").split(","):
        pytest.fail(reason)
    pytest.skip(reason)
