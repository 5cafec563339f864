"""The tables that benchmarks push: other weights of many services in every one."""

import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from connectors.connector import Connector
from placement.fleet import ClusterId, ServiceId
from placement.weights import WeightTable, table_of
from tests.contract.harness import CLUSTERS, ORIGIN, UNIT

Open = Callable[[Path, int], AbstractAsyncContextManager[Connector]]
"""A connector to a mesh of so many services, which may keep its files in the folder."""
Endpoints = dict[tuple[ServiceId, ClusterId], tuple[tuple[str, int], ...]]
LOCAL = {cluster: f"127.0.0.{place}" for place, cluster in enumerate(CLUSTERS, start=21)}


def services(count: int) -> tuple[str, ...]:
    """Their names."""
    return tuple(f"service-{number:02}" for number in range(count))


def endpoints(count: int, hosts: dict[str, str]) -> Endpoints:
    """An address of every service in every cluster."""
    return {(ServiceId(s), ClusterId(c)): ((host, 80),) for s in services(count) for c, host in hosts.items()}


def weights(draw: random.Random, count: int, version: int) -> WeightTable:
    """Other weights of all services; all destinations stay above 0."""
    rows = {}
    for service in services(count):
        first, second = draw.randint(1, UNIT // 2), draw.randint(1, UNIT // 2 - 1)
        shares = (first, second, UNIT - first - second)
        rows[service] = {c: (share, 0) for c, share in zip(CLUSTERS, shares, strict=True)}
    return table_of(ORIGIN, UNIT, rows, (1, version))
