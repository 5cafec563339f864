"""What the loop does about weights that somebody else changed."""

from dataclasses import dataclass, field

from connectors.drift import Drift, OnDrift, rows_of
from placement.fleet import OriginId
from scheduler.loop import tick
from scheduler.state import Mode
from scheduler.straying import Witness, astray, drifts_of
from simulator.mesh import SimulatedMesh
from tests.scheduler.ports import Bench, bench


@dataclass
class StrayingMesh:
    """A mesh that remembers what was written and says what somebody else made of it."""

    mesh: SimulatedMesh
    on_drift: OnDrift = OnDrift.REVERT
    drifts: tuple[Drift, ...] = ()
    writes: list[object] = field(default_factory=list)

    @property
    def origin(self) -> OriginId:
        return self.mesh.origin

    @property
    def limits(self) -> object:
        return self.mesh.limits

    async def read(self) -> object:
        return await self.mesh.read()

    async def write(self, table: object) -> object:
        self.writes.append(table)
        self.drifts = ()
        return await self.mesh.write(table)  # type: ignore[arg-type]


async def disturbed(way: OnDrift, mode: Mode = Mode.AUTO) -> tuple[Bench, StrayingMesh]:
    """A bench that ticked once, and again after somebody else changed the first mesh."""
    b = bench()
    origin = next(iter(b.meshes))
    mesh = StrayingMesh(b.meshes[origin], way)
    b.meshes[origin] = mesh  # type: ignore[assignment]
    b.state, _ = await tick(b.state, b.ports, b.policy)
    mesh.writes.clear()
    assert mesh.mesh.table is not None
    service, row = next(iter(rows_of(mesh.mesh.table).items()))
    mesh.drifts = (Drift(origin, service, "HTTPRoute a/b", row, None, "somebody"),)
    b.desk.now, b.clock.at_s = mode, 5.0
    b.state, _ = await tick(b.state, b.ports, b.policy)
    return b, mesh


async def test_tick_when_a_mesh_to_revert_has_drifted_writes_the_standing_table_again() -> None:
    _, mesh = await disturbed(OnDrift.REVERT)

    assert len(mesh.writes) == 1
    assert mesh.mesh.table is not None
    assert mesh.mesh.table.version == 2


async def test_tick_when_drift_is_adopted_or_ignored_writes_nothing() -> None:
    for way in (OnDrift.ADOPT, OnDrift.IGNORE):
        _, mesh = await disturbed(way)

        assert not mesh.writes


async def test_tick_when_frozen_or_stopped_leaves_a_drift_alone() -> None:
    for mode in (Mode.FROZEN, Mode.STOPPED):
        _, mesh = await disturbed(OnDrift.REVERT, mode)

        assert not mesh.writes


async def test_astray_names_only_meshes_that_are_to_be_reverted() -> None:
    b, mesh = await disturbed(OnDrift.IGNORE)

    assert astray(b.ports.connectors) == frozenset()
    assert [drift.who for drift in drifts_of(b.ports.connectors)] == ["somebody"]
    mesh.on_drift = OnDrift.REVERT
    assert astray(b.ports.connectors) == {mesh.origin}


def test_witness_when_told_twice_of_the_same_drift_remembers_it() -> None:
    witness, found = Witness(), drifts_of({})

    witness.tell(found)
    witness.tell(found)

    assert witness._known == frozenset()
