from config.policy import PolicySpec
from placement.guard import Limits
from scheduler.conduct import ConductLimits
from scheduler.translate import policy_of


def test_guards_of_a_policy_without_any_are_the_defaults_of_the_loop() -> None:
    policy = policy_of(PolicySpec())

    assert policy.conduct == ConductLimits()
    assert policy.limits == Limits()


def test_guards_of_a_policy_reach_the_loop_one_by_one() -> None:
    spec = PolicySpec.model_validate(
        {
            "guards": {
                "movedPerMinute": 0.2, "changesPerHour": 3, "dwellSeconds": 7, "reversalsPerHour": 4, "bakeSeconds": 8,
                "evacuationsMax": 5, "unmeasuredRatio": 0.6,
                "trial": {"verifySeconds": 9, "worseRatio": 0.3, "goodAfterSeconds": 11, "rollbacksMax": 2},
                "safe": {"staleRatio": 0.4, "unsolvedMax": 6, "clockJumpSeconds": 2, "freshRounds": 5},
            }
        }
    )  # fmt: skip

    found = policy_of(spec).conduct

    pace, trial, safe = found.pace, found.trial, found.safety
    assert (pace.moved_per_minute, pace.changes_per_hour, pace.dwell_s, pace.reversals_per_hour) == (0.2, 3, 7, 4)
    assert (found.bake_s, found.evacuations_max, found.unmeasured_ratio) == (8, 5, 0.6)
    assert (trial.verify_s, trial.worse_ratio, trial.good_after_s, trial.rollbacks_max) == (9, 0.3, 11, 2)
    assert (safe.stale_ratio, safe.unsolved_max, safe.clock_jump_s, safe.fresh_rounds) == (0.4, 6, 2, 5)
