"""What `equipoise rbac` prints, as an operator applies it with kubectl to a real API server: enough, and no more."""

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from config.load import load
from connectors.connector import Refused
from connectors.kubernetes.answers import Forbidden
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.connector import KubernetesConnector
from connectors.kubernetes.gateway import HTTP_ROUTE
from connectors.kubernetes.resource import CONFIG_MAP, Resource
from placement.fleet import ClusterId, OriginId
from placement.weights import table_of
from scheduler.kubernetes import Reached, kubernetes_meshes
from tests import real
from tests.contract.harness import eventually
from tests.kubernetes.clusters import KUBECONFIG, Cluster, cluster
from tests.kubernetes.definitions import definitions_of

CONFIG = Path(__file__).parents[3] / "config"
EXAMPLE = [CONFIG / "example" / f"{name}.yaml" for name in ("clusters", "services", "prices", "latency", "policy")]
ORIGIN = "nordics"
DOCUMENT = """\
apiVersion: equipoise.dev/v1alpha1
kind: Origin
metadata: {{name: nordics}}
spec:
  region: stockholm
  expectedRps: {{storefront: 80}}
  mesh:
    kubernetes:
      kubeconfig: {kubeconfig}
      namespace: {namespace}
      port: 8080
      patienceSeconds: 0.1
      gateway: {{parents: [{{name: shared}}]}}
"""


async def kubectl(words: list[str], given: str = "") -> str:
    """What it prints, as the administrator."""
    command = [real.require("kubectl"), "--kubeconfig", os.environ[KUBECONFIG], *words]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, fault = await process.communicate(given.encode())
    assert process.returncode == 0, fault.decode()
    return said.decode()


async def applied(given: Cluster, folder: Path) -> Reached:
    """The documents of an origin behind this server, whose rights are printed and applied."""
    document = folder / "origin.yaml"
    document.write_text(DOCUMENT.format(kubeconfig=os.environ[KUBECONFIG], namespace=given.namespace), encoding="utf-8")
    files = [*map(str, EXAMPLE), str(document)]
    printed = CliRunner().invoke(app, ["rbac", ORIGIN, *(part for file in files for part in ("-f", file))])
    assert printed.exit_code == 0, printed.output
    said = await kubectl(["apply", "--server-side", "-f", "-"], printed.output)
    assert "validatingadmissionpolicy.admissionregistration.k8s.io/equipoise-fence-nordics" in said
    return kubernetes_meshes(load(*EXAMPLE, document))[OriginId(ORIGIN)]


async def test_rights_as_printed_and_applied_with_kubectl_are_enough_for_a_push_and_no_more(tmp_path: Path) -> None:
    if not os.environ.get(KUBECONFIG):
        pytest.skip(f"no API server to apply rights to: {KUBECONFIG} names none")
    real.require("kubectl")
    async with cluster() as given:
        await given.install(definitions_of("gateway.networking.k8s.io"))
        reached = await applied(given, tmp_path)
        access = await given.access_as(f"equipoise-{ORIGIN}")
        api = KubernetesApi(ORIGIN, lambda: access)
        mesh = KubernetesConnector(reached.spec, api, reached.dialect)

        async def counts() -> bool:
            """A server needs a moment until a role does."""
            try:
                return await mesh.read() is None
            except Forbidden:
                return False

        await eventually(counts, "the role counts")
        first, second = (ClusterId(name) for name in sorted(reached.spec.clusters)[:2])
        rows = {"storefront": {str(first): (6_000, 0), str(second): (4_000, 0)}}
        wanted = table_of(OriginId(ORIGIN), 10_000, rows, (2, 1))

        assert (await mesh.judge(wanted)).accepted
        assert (await mesh.write(wanted)).stored
        read = await mesh.read()
        assert read is not None
        assert (read.content(), read.fence) == (wanted.content(), (2, 1))
        with pytest.raises(Refused, match="another controller leads"):
            await mesh.write(replace(wanted, epoch=1))
        shown = json.loads(await kubectl(["get", "httproutes", "-n", given.namespace, "-l",
                                          f"equipoise.dev/origin={ORIGIN}", "-o", "json"]))  # fmt: skip
        assert [item["metadata"]["name"] for item in shown["items"]] == ["storefront"]
        for resource, namespace in (
            (HTTP_ROUTE, "default"),
            (Resource("", "v1", "secrets", "Secret"), given.namespace),
        ):
            with pytest.raises(Forbidden, match="equipoise rbac"):
                await api.listed(resource, namespace)
        with pytest.raises(Forbidden):
            await api.get(CONFIG_MAP, given.namespace, "somebody-elses")
        await kubectl(
            ["delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", "equipoise-fence-nordics"]
        )
        await api.close()
