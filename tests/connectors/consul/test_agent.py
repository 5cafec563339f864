"""A real Consul agent and its stand-in: asked the same they answer the same; and what only the real one can tell."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.connector import Refused, Unavailable
from connectors.consul.connector import consul_connector
from connectors.consul.spec import ConsulSpec, Place
from connectors.http import Access
from placement.fleet import ClusterId
from tests.contract.harness import UNIT, table
from tests.contract.harness_consul import ConsulHarness, agent, consul_agent, started, targets
from tests.contract.standins.consul import Consul

SPLIT = {"east": 6_000, "north": 3_000, "west": 1_000}
RIGHTS = 'key_prefix "equipoise/" { policy = "write" } service_prefix "" { policy = "write" }'
"""As the documentation prints them."""
ROOT = "e5a1c8f2-0000-4000-8000-000000000001"


def entry(kind: str, name: str, **fields: Any) -> tuple[str, str, bytes]:
    """A request that writes a config entry."""
    return "PUT", "/v1/config", json.dumps({"Kind": f"service-{kind}", "Name": name, **fields}).encode()


def split(**weights: float) -> dict[str, Any]:
    """The legs of a splitter."""
    return {"Splits": [{"Weight": weight, "Service": name} for name, weight in weights.items()]}


def http(*names: str) -> list[tuple[str, str, bytes]]:
    """The protocols of some names."""
    return [entry("defaults", name, Protocol="http") for name in names]


LOOK = [("GET", f"/v1/config/service-{kind}", b"") for kind in ("splitter", "resolver", "defaults")]
KEY = "/v1/kv/equipoise/home"
PROGRAM: dict[str, list[tuple[str, str, bytes]]] = {
    "a key by compare-and-set": [
        ("GET", KEY, b""), ("PUT", f"{KEY}?cas=0", b"a"), ("PUT", f"{KEY}?cas=0", b"b"), ("GET", KEY, b""),
        ("PUT", f"{KEY}?cas=INDEX", b"c"), ("DELETE", f"{KEY}?cas=1", b""), ("GET", KEY, b""),
        ("DELETE", f"{KEY}?cas=INDEX", b""), ("GET", KEY, b""),
    ],
    "an entry by compare-and-set": [
        ("PUT", "/v1/config?cas=0", entry("defaults", "a", Protocol="http")[2]),
        ("PUT", "/v1/config?cas=0", entry("defaults", "a", Protocol="grpc")[2]),
        *LOOK,
        ("PUT", "/v1/config?cas=INDEX", entry("defaults", "a", Protocol="grpc")[2]),
        *LOOK,
    ],
    "a split that is written as we do": [
        *http("a", "a-x", "a-y"),
        entry("resolver", "a-x", Redirect={"Service": "a", "Datacenter": "dc-east"}),
        entry("resolver", "a-y", Redirect={"Service": "a", "Datacenter": "dc1"}),
        entry("resolver", "a", Failover={"*": {"Datacenters": ["dc-x", "dc-east"]}}),
        entry("splitter", "a", **split(**{"a-x": 33.34, "a-y": 66.66})),
        *LOOK, ("GET", "/v1/discovery-chain/a", b""), ("GET", "/v1/discovery-chain/nobody", b""),
        ("DELETE", "/v1/config/service-defaults/a", b""), ("DELETE", "/v1/config/service-splitter/a", b""),
        ("DELETE", "/v1/config/service-splitter/a", b""), *LOOK, ("GET", "/v1/discovery-chain/a", b""),
    ],
    "splits that cannot be": [
        entry("splitter", "a", **split(b=100)), *http("a", "b"),
        entry("splitter", "a", **split(b=90)), entry("splitter", "a", **split(b=100, c=0)),
        entry("splitter", "a", **split(b=50, a=50.02)), entry("splitter", "a", Splits=[]), entry("splitter", "a"),
        entry("splitter", "a", Splits=[{"Weight": 50, "Service": "b"}, {"Weight": 50, "Service": "b"}]), *LOOK,
    ],
    "protocols that do not fit": [
        *http("a"), entry("defaults", "b", Protocol="tcp"), entry("defaults", "c", Protocol="grpc"),
        entry("splitter", "a", **split(b=100)), entry("splitter", "a", **split(a=50, b=50)),
        entry("splitter", "a", **split(c=100)), ("GET", "/v1/discovery-chain/a", b""),
        entry("splitter", "a", **split(a=50, c=50)), ("DELETE", "/v1/config/service-defaults/c", b""),
    ],
    "what is too new or no sense": [
        entry("resolver", "a", Redirect={"Service": "b"}, Failover={"*": {"Datacenters": ["x"]}}),
        entry("resolver", "a", Redirect={"Service": "a", "Peer": "west"}),
        entry("resolver", "a", Failover={"*": {"Targets": [{"Datacenter": "dc-x"}]}}),
        ("GET", "/v1/config/nonsense", b""), *LOOK,
    ],
}  # fmt: skip


async def played(client: httpx.AsyncClient, program: list[tuple[str, str, bytes]]) -> list[object]:
    """What is answered, without what differs from one run to the next. INDEX is that of the first entry seen last."""
    said: list[object] = []
    index = 0
    for method, path, body in program:
        answer = await client.request(method, path.replace("INDEX", str(index)), content=body)
        try:
            found = answer.json()
        except ValueError:
            found = answer.text.strip()
        if isinstance(found, list) and found:
            index = found[0]["ModifyIndex"]
        said.append((method, path, answer.status_code, _stable(found)))
    return said


def _stable(found: Any) -> object:
    if isinstance(found, dict) and "Chain" in found:
        chain = found["Chain"]
        return chain["Protocol"], chain["StartNode"], sorted(chain["Nodes"]), _legs(chain), sorted(chain["Targets"])
    if isinstance(found, list):
        return [{key: value for key, value in each.items() if key in COMPARED and value} for each in found]
    return found


def _legs(chain: dict[str, Any]) -> object:
    return targets(chain) if len(chain["Nodes"]) > 1 else None


COMPARED = {"Kind", "Name", "Protocol", "Splits", "Redirect", "Failover", "Meta", "Key", "Value"}
"""What the connector reads or writes."""


@contextlib.asynccontextmanager
async def standing_in() -> AsyncIterator[httpx.AsyncClient]:
    """The stand-in as it was before peers."""
    standin = Consul(peers=False)
    await standin.start()
    async with httpx.AsyncClient(base_url=standin.url, trust_env=False) as client:
        yield client
    await standin.stop()


@pytest.mark.parametrize("name", sorted(PROGRAM))
async def test_stand_in_when_asked_the_same_answers_as_a_real_agent(name: str) -> None:
    harness = ConsulHarness(agent())
    async with standing_in() as standin:
        await harness.clean()
        theirs = await played(harness.http, PROGRAM[name])
        ours = await played(standin, PROGRAM[name])
        await harness.http.aclose()

    assert ours == theirs


async def test_peer_of_an_agent_that_is_too_old_for_it_is_refused_with_a_remedy(tmp_path: Path) -> None:
    async with consul_agent(tmp_path) as mesh:
        places = {**mesh.spec.places, ClusterId("west"): Place(peer="west")}
        old = consul_connector(replace(mesh.spec, places=places))
        await mesh.connector.write(table({"east": UNIT}))

        with pytest.raises(Refused, match=r"Redirect\.Peer.*too old for that: give every cluster its datacenter"):
            await old.write(table(SPLIT, fence=(1, 2)))

        read = await old.read()
        assert read is not None
        assert read.content() == table({"east": UNIT}).content()
        await old.close()


async def test_token_with_the_documented_rights_is_enough_and_a_lesser_one_is_refused(tmp_path: Path) -> None:
    acl = {"enabled": True, "default_policy": "deny", "tokens": {"master": ROOT}}
    with started(tmp_path, {"acl": acl}, {"X-Consul-Token": ROOT}) as url:
        async with httpx.AsyncClient(base_url=url, headers={"X-Consul-Token": ROOT}, trust_env=False) as root:
            token = await _token(root, "whole", RIGHTS)
            reader = await _token(root, "reader", RIGHTS.replace("write", "read"))
        spec = ConsulHarness(url).spec

        mesh = consul_connector(_as(spec, token))
        assert (await mesh.write(table(SPLIT))).programmed
        await mesh.close()
        for secret in (reader, "", ROOT[:-1] + "9"):
            lesser = consul_connector(_as(spec, secret))
            with pytest.raises(Refused, match=r"403: .*check the credentials"):
                await lesser.write(table({"east": UNIT}, fence=(1, 2)))
            await lesser.close()


async def _token(root: httpx.AsyncClient, name: str, rules: str) -> str:
    (await root.put("/v1/acl/policy", json={"Name": name, "Rules": rules})).raise_for_status()
    answer = await root.put("/v1/acl/token", json={"Policies": [{"Name": name}]})
    return str(answer.raise_for_status().json()["SecretID"])


def _as(spec: ConsulSpec, secret: str) -> ConsulSpec:
    return replace(spec, access=Access(spec.access.url, lambda: {"X-Consul-Token": secret} if secret else {}))


async def test_agent_without_a_leader_is_unavailable_in_its_own_words(tmp_path: Path) -> None:
    lonely = {"server": True, "bootstrap_expect": 2, "data_dir": "data", "performance": {"rpc_hold_timeout": "50ms"}}
    with started(tmp_path, lonely, {}, dev=False) as url:
        mesh = consul_connector(ConsulHarness(url).spec)

        for call in (mesh.read, lambda: mesh.write(table(SPLIT))):
            with pytest.raises(Unavailable, match="No cluster leader"):
                await call()
        await mesh.close()
