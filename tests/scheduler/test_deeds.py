"""What one controller did binds the next."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from health.rules import Rules
from placement.columns import bools, floats, ints
from placement.emergency import Evacuated
from placement.pace import PaceLimits
from scheduler.conduct import Conduct, ConductLimits, first_conduct
from scheduler.deeds import bound_by, content_of, same_deeds
from scheduler.ledger import Ledger
from scheduler.loop import tick
from scheduler.state import adopt
from simulator.run import POLICY
from simulator.trio import trio
from tests.scheduler.ports import Bench, bench, dearer

FLEET = trio()
LIMITS = ConductLimits()
AT_S, WALL_S = 5_000.0, 1.7e9
LATER_S = 7.0
"""From the last word of the old controller to the first of the new one, whose clock begins elsewhere."""


def busy() -> Conduct:
    """A conduct with something in every column."""
    b = bench()
    fresh = first_conduct(FLEET, b.state.routing, AT_S, LIMITS, None)
    size, services = len(FLEET.backends), len(FLEET.services)
    ring = np.full((size, LIMITS.pace.reversals_per_hour), -np.inf)
    ring[1, -2:] = AT_S - 100, AT_S - 50
    changes = np.full((services, LIMITS.pace.changes_per_hour), -np.inf)
    changes[0, -1] = AT_S - 40
    turned, pushed = np.full(size, -np.inf), np.full(services, -np.inf)
    turned[1], pushed[0] = AT_S - 50, AT_S - 20
    pace = replace(
        fresh.pace, moved=((AT_S - 10, 0.04),), direction=ints([0, 1, *[0] * (size - 2)]), turned_at_s=floats(turned),
        reversed_at_s=floats(ring), changed_at_s=floats(changes), pushed_at_s=floats(pushed),
    )  # fmt: skip
    lost = Evacuated("cluster fra", bools(np.array([name == "fra" for name in FLEET.clusters.ids])), AT_S - 30)
    return replace(fresh, pace=pace, evacuated=(lost,), rollbacks_at_s=(AT_S - 60,))


def restarted(content: dict[str, object], after_s: float = LATER_S, at_s: float = 12.0) -> Conduct:
    fresh = first_conduct(FLEET, bench().state.routing, at_s, LIMITS, None)
    return bound_by(fresh, content, FLEET, at_s, WALL_S + after_s, LIMITS)


def test_deeds_come_back_with_their_ages_on_another_clock() -> None:
    old = busy()

    new = restarted(content_of(old, FLEET, AT_S, WALL_S))

    shift = 12.0 - LATER_S - AT_S
    assert new.pace.moved == ((AT_S - 10 + shift, 0.04),)
    assert new.pace.direction.tolist() == old.pace.direction.tolist()
    for name in ("turned_at_s", "reversed_at_s", "changed_at_s", "pushed_at_s"):
        assert np.allclose(getattr(new.pace, name), getattr(old.pace, name) + shift), name
    assert [(e.domain, e.at_s) for e in new.evacuated] == [("cluster fra", AT_S - 30 + shift)]
    assert new.evacuated[0].clusters.tolist() == old.evacuated[0].clusters.tolist()
    assert new.rollbacks_at_s == (AT_S - 60 + shift,)


def test_deeds_that_are_too_old_bind_nobody_and_a_clock_put_back_binds_longer() -> None:
    content = content_of(busy(), FLEET, AT_S, WALL_S)

    assert restarted(content, after_s=3_600.0).evacuated == ()
    assert restarted(content, after_s=3_600.0).pace.moved == ()
    assert restarted(content, after_s=-7_200.0).evacuated[0].at_s == 12.0, "as if it had been now"


def test_deeds_of_names_that_are_gone_are_left_out_and_shorter_rings_keep_the_newest() -> None:
    content = content_of(busy(), FLEET, AT_S, WALL_S)
    content["backends"]["gone/fra"] = content["backends"].pop(FLEET.backend_name(1))
    few = replace(LIMITS, pace=PaceLimits(changes_per_hour=1))

    fresh = first_conduct(FLEET, bench().state.routing, 12.0, few, None)
    new = bound_by(fresh, content, FLEET, 12.0, WALL_S, few)

    assert not np.isfinite(new.pace.reversed_at_s).any()
    assert np.isfinite(new.pace.changed_at_s).sum() == 1


async def evacuated(b: Bench, cluster: str) -> None:
    b.probe(dead=cluster)
    b.state, _ = await tick(b.state, b.ports, b.policy)


async def test_a_restart_hands_out_no_fresh_emergency_budget(tmp_path: Path) -> None:
    bold = replace(
        POLICY, rules=Rules(ejection_ratio=1.0, ejection_capacity_ratio=1.0, panic_ratio=1.0, blind_ratio=1.0)
    )
    policy = replace(bold, conduct=ConductLimits(evacuations_max=1))
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    await ledger.open()
    old = bench(policy)
    old.ports = replace(old.ports, ledger=ledger)
    await evacuated(old, "fra")
    assert [e.domain for e in old.state.conduct.evacuated] == ["cluster fra"]
    ledger.close()

    again = Ledger(ledger.url)
    deeds = await again.deeds()
    again.close()
    new = bench(policy, epoch=2)
    new.clock.at_s = old.clock.at_s
    conduct = bound_by(new.state.conduct, deeds, new.fleet, new.clock.at_s, new.clock.at_s, policy.conduct)
    new.state = replace(new.state, conduct=conduct)
    await evacuated(new, "iad")

    assert [e.domain for e in new.state.conduct.refused] == ["cluster iad"], "the second one waits for a human"


async def test_tick_that_moves_load_leaves_its_pace_in_the_ledger_and_one_that_does_not_leaves_nothing() -> None:
    b = bench(replace(POLICY, conduct=ConductLimits(bake_s=0.0)))
    b.state = adopt(b.state, dearer(b.fleet, "fra", 30.0), b.desk.current.declared, 0.0, b.policy.conduct)
    b.fleet = b.state.fleet
    for _ in range(3):
        b.clock.at_s += 5.0
        b.measure()
        before, (b.state, turn) = b.state, await tick(b.state, b.ports, b.policy)
        assert (turn.deeds is None) == same_deeds(before.conduct, b.state.conduct)

    last = [turn.deeds for turn in b.notebook.turns if turn.deeds][-1]
    assert last["services"], "its changes count against the budget of the hour"
