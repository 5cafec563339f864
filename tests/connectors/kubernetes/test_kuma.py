"""Kuma's shadow: what a table would change in a proxy, by the control plane's word, without changing it."""

import json
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from connectors.connector import Unavailable
from connectors.kubernetes.kuma import MESH_HTTP_ROUTE, Kuma
from connectors.kubernetes.resource import mapping, text
from tests.contract.harness import table
from tests.contract.harness_kubernetes import KubernetesHarness, kubernetes

SPLIT = {"east": 6_000, "west": 4_000}


def control_plane(mesh: KubernetesHarness, answer: str = "") -> TestServer:
    """A stand-in that tells the shadows which are there as a diff, or what it is told to."""

    async def config(request: web.Request) -> web.Response:
        assert (request.query["shadow"], request.query["include"]) == ("true", "diff")
        found, _ = await mesh.cluster.admin.listed(MESH_HTTP_ROUTE, mesh.cluster.namespace)
        shadows = [r for r in found if mapping(r, "metadata", "labels").get("kuma.io/effect") == "shadow"]
        diff = [{"op": "add", "path": f"/routes/{text(route, 'metadata', 'name')}"} for route in shadows]
        return web.Response(text=answer or json.dumps({"xds": {}, "diff": diff}), content_type="application/json")

    application = web.Application()
    application.router.add_get("/meshes/default/dataplanes/shop-1.shop/_config", config)
    return TestServer(application)


async def test_judge_with_a_control_plane_says_what_would_change_and_leaves_no_shadow() -> None:
    async with kubernetes("kuma-kubernetes") as mesh, control_plane(mesh) as server:
        asked = Kuma(
            system_namespace=mesh.cluster.namespace, control_plane=str(server.make_url("/")), dataplane="shop-1.shop"
        )
        connector = replace(mesh.connector, dialect=asked)

        receipt = await connector.judge(table(SPLIT))

        assert "1 changes in the configuration of shop-1.shop" in receipt.detail
        assert (await mesh.cluster.admin.listed(MESH_HTTP_ROUTE, mesh.cluster.namespace))[0] == []


@pytest.mark.parametrize("answer", ["<html>", "[1]", '{"diff": 3}'])
async def test_judge_when_the_control_plane_talks_nonsense_is_unavailable_and_leaves_no_shadow(answer: str) -> None:
    async with kubernetes("kuma-kubernetes") as mesh, control_plane(mesh, answer) as server:
        asked = Kuma(
            system_namespace=mesh.cluster.namespace, control_plane=str(server.make_url("/")), dataplane="shop-1.shop"
        )
        connector = replace(mesh.connector, dialect=asked)

        with pytest.raises(Unavailable, match=r"home: Kuma's control plane .* bad answer"):
            await connector.judge(table(SPLIT))
        assert (await mesh.cluster.admin.listed(MESH_HTTP_ROUTE, mesh.cluster.namespace))[0] == []
