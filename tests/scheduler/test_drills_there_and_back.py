"""Drills that go as they should: L2, L3, L4, and what they cover."""

from dataclasses import replace

from health.drill import Level, Phase
from tests.scheduler.stage import LOOK_S, LOSS, POLICY_OF_DRILLS, stage


async def test_canary_when_all_is_well_goes_there_and_back_and_covers_its_paths() -> None:
    s = await stage()
    before = s.drills.book.summary(s.bench.clock.at_s)["coverage24"]

    await s.drills.ask(Level.CANARY, LOSS, "test")
    seen = set()
    for _ in range(300):
        await s.pass_s(LOOK_S)
        seen |= s.ratios
        if s.drills.live is None:
            break

    assert s.ended["outcome"] == "SUCCEEDED", s.ended
    assert seen == {0.0, 0.01, 0.05, 0.1}
    assert s.ratios == {0.0}
    after = s.drills.book.summary(s.bench.clock.at_s)["coverage24"]
    assert before["L3"] == 0.0 < after["L3"] < 1.0
    assert after["L4"] == 0.0
    assert [e["phase"] for e in s.store.events] == [
        "ARMING",
        "AWAY",
        "AWAY",
        "AWAY",
        "BACK",
        "BACK",
        "BACK",
        "SUCCEEDED",
    ]
    assert s.ended["rehearsed_failed"] == 0 < s.ended["rehearsed_requests"]


async def test_full_drill_when_all_is_well_moves_everything_that_the_table_says() -> None:
    s = await stage()

    await s.drills.ask(Level.FULL, LOSS, "test")
    await s.until(Phase.AWAY)
    table = s.bench.meshes["fra"].armed
    await s.pass_s(60.0)

    assert table is not None
    assert all(t.cluster != "fra" for _, targets, _ in table.items() for t in targets if t.weight)
    assert s.ended["outcome"] == "SUCCEEDED", s.ended
    assert s.ended["ratio_max"] == 1.0
    assert s.ended["receivers"][0]["predicted"] <= 0.75


async def test_dry_push_when_accepted_moves_nothing_and_is_forgotten() -> None:
    s = await stage()

    await s.drills.ask(Level.DRY_PUSH, LOSS, "test")
    await s.pass_s(3.0)

    assert s.ended["outcome"] == "SUCCEEDED"
    assert s.ratios == {0.0}
    assert all(mesh.armed is None for mesh in s.bench.meshes.values())


async def test_dry_push_when_a_mesh_says_no_fails_with_its_words() -> None:
    s = await stage()
    s.bench.meshes["fra"].objection = "weights of a blue route must be even"

    await s.drills.ask(Level.DRY_PUSH, LOSS, "test")
    await s.pass_s(3.0)

    assert s.ended["outcome"] == "FAILED"
    assert "blue route" in s.ended["reason"]


async def test_ask_for_a_proof_has_its_result_at_once() -> None:
    s = await stage()

    assert (await s.drills.ask(Level.PROOF, LOSS, "test"))["outcome"] == "SUCCEEDED"


async def test_calendar_when_dry_pushes_are_due_does_them_one_after_the_other() -> None:
    s = await stage(replace(POLICY_OF_DRILLS, kinds=("cluster",)))

    await s.pass_s(20.0)

    assert {body["loss"] for body in s.drills.ended} == {"cluster ams", "cluster fra", "cluster iad"}
    assert {body["outcome"] for body in s.drills.ended} == {"SUCCEEDED"}
    assert s.drills.book.summary(s.bench.clock.at_s)["coverage24_by_kind"]["cluster"]["L2"] == 1.0


async def test_proofs_when_the_loop_ticks_cover_every_path_and_stay_fresh() -> None:
    s = await stage()
    await s.pass_s(10.0)

    summary = s.drills.book.summary(s.bench.clock.at_s)
    assert summary["coverage24"]["L0"] == summary["proof_coverage"] == 1.0
    assert summary["oldest_unverified_path_age_s"] == summary["oldest_proof_age_s"] <= 60.0
