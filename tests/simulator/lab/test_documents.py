"""The lab's documents, read by the configuration's own loader."""

from pathlib import Path

import pytest

from config.load import load
from simulator.lab.addresses import choose
from simulator.lab.documents import Setting, write_all, write_prices
from simulator.lab.gateways import DataPlane
from simulator.lab.places import PLACES


def setting(folder: Path, data_plane: DataPlane = DataPlane.ENVOY, has_prometheus: bool = True) -> Setting:
    return Setting(folder, choose(), has_prometheus, False, data_plane, 0.34)


@pytest.mark.parametrize("has_prometheus", [True, False])
@pytest.mark.parametrize("data_plane", list(DataPlane))
def test_documents_of_every_kind_of_lab_are_valid(tmp_path: Path, data_plane: DataPlane, has_prometheus: bool) -> None:
    lab = setting(tmp_path, data_plane, has_prometheus)
    write_all(lab)

    found = load(lab.documents)

    assert [origin.name for origin in found.origins] == sorted(PLACES)
    assert {service.name for service in found.services} == {"frontend", "backend"}
    assert bool(found.policy.telemetry.prometheus) is has_prometheus


def test_write_prices_again_changes_the_price_of_the_nodes_and_nothing_else(tmp_path: Path) -> None:
    lab = setting(tmp_path)
    write_all(lab)
    before = {path.name: path.read_bytes() for path in lab.documents.iterdir()}

    write_prices(lab, {"us-east": 2.0})

    after = {path.name: path.read_bytes() for path in lab.documents.iterdir()}
    assert [name for name in before if before[name] != after[name]] == ["prices.yaml"]
    assert before.keys() == after.keys(), "no draft is left behind"
    book = load(lab.documents).price_books[0].spec
    assert {node.region: node.usd_per_hour for node in book.node_types}["us-east-1"] == pytest.approx(2 * 0.31824)


def test_documents_send_probes_and_gateways_the_long_way(tmp_path: Path) -> None:
    lab = setting(tmp_path)
    write_all(lab)

    found = load(lab.documents)

    frontend = next(service for service in found.services if service.name == "frontend")
    assert frontend.spec.endpoints["us-east"] == (f"127.0.0.1:{lab.addresses.link['eu-west>us-east/frontend'].port}",)
    singapore = next(origin for origin in found.origins if origin.name == "ap-southeast")
    via = {(v.cluster, v.service): v.address for v in singapore.spec.via}
    assert via["us-east", "backend"] == f"127.0.0.1:{lab.addresses.link['ap-southeast>us-east/backend'].port}"
    assert via["ap-southeast", "backend"] == f"127.0.0.1:{lab.addresses.service['ap-southeast', 'backend']}"
