"""The mesh that is late, deaf or split: still a connector."""

import asyncio

import pytest

from connectors.connector import Receipt, Refused, Unavailable
from placement.fleet import OriginId
from placement.weights import WeightTable, table_of
from simulator.physics.mesh import DelayedMesh


def table(version: int, here: int = 60) -> WeightTable:
    """Two clusters out of 100."""
    return table_of("one", 100, {"shop": {"one": (here, 0), "two": (100 - here, 0)}}, (1, version))


def written(mesh: DelayedMesh, wanted: WeightTable) -> Receipt:
    """What it answers."""
    return asyncio.run(mesh.write(wanted))


def test_mesh_when_written_to_applies_the_table_later_and_says_so() -> None:
    mesh = DelayedMesh(OriginId("one"), apply_s=2.0)
    mesh.now_s = 10.0

    receipt = written(mesh, table(1))

    assert receipt.stored
    assert not receipt.programmed
    assert mesh.taking_effect(11.9) == []
    assert [part for _, part in mesh.taking_effect(12.0)] == [1.0]
    assert not mesh.due


def test_mesh_when_given_an_older_version_refuses_it() -> None:
    mesh = DelayedMesh(OriginId("one"), apply_s=0.0)
    written(mesh, table(5))

    with pytest.raises(Refused, match="lower"):
        written(mesh, table(4))


def test_mesh_when_deaf_applies_what_nobody_hears_of() -> None:
    mesh = DelayedMesh(OriginId("one"), apply_s=0.5)
    mesh.reachable, mesh.deaf = False, True

    with pytest.raises(Unavailable):
        written(mesh, table(1))

    assert len(mesh.taking_effect(1.0)) == 1
    assert not mesh.reachable


def test_mesh_when_it_objects_keeps_its_last_table() -> None:
    mesh = DelayedMesh(OriginId("one"), apply_s=0.0)
    written(mesh, table(1))
    mesh.objection = "a proxy says no"

    with pytest.raises(Refused, match="a proxy says no"):
        written(mesh, table(2, here=10))

    assert asyncio.run(mesh.read()) is not None
    assert mesh.table is not None
    assert mesh.table.version == 1


def test_mesh_when_split_tells_which_part_took_it() -> None:
    mesh = DelayedMesh(OriginId("one"), apply_s=0.0)
    mesh.part = 0.5
    written(mesh, table(1))

    assert [part for _, part in mesh.taking_effect(0.0)] == [0.5]
