from simulator.lab.trial.attempts import Attempt
from simulator.lab.trial.clients import Asked
from simulator.lab.trial.outcome import Outcome, behind_a_gateway, by_name, in_part, shift_s, verdicts_s
from simulator.lab.watch import Change

SPAN = (100.0, 110.0)


def test_shift_is_the_last_request_sent_there_and_unknown_while_they_go_on() -> None:
    assert shift_s([99.0, 100.5, 103.25, 111.0], SPAN) == 3.25
    assert shift_s([], SPAN) == 0.0
    assert shift_s([101.0, 109.5], SPAN) is None


def test_outcome_behind_a_gateway_counts_its_own_users_and_its_first_detection_in_the_span() -> None:
    attempts = [Attempt(100.4, frozenset({"us-east", "eu-west"})), Attempt(105.0, frozenset({"eu-west"}))]
    asked = [
        Asked(99.9, "mine", "", "us-east", 0),
        Asked(100.1, "mine", "", "", 0),
        Asked(100.2, "mine", "", "eu-west", 200),
        Asked(100.3, "other", "", "", 0),
    ]

    found = behind_a_gateway(attempts, [99.0, 100.5, 108.0], asked, "mine", SPAN)

    assert found == Outcome(shift_s=attempts[0].at_s - 100.0, detect_s=0.5, failed=1, requests=2)


def test_outcome_by_name_goes_by_what_the_clients_were_told() -> None:
    asked = [
        Asked(102.0, "k8gb_like/0", "us-east", "", 0),
        Asked(103.0, "k8gb_like/0", "eu-west", "eu-west", 200),
        Asked(104.0, "k8gb_like/1", "us-east", "", 0),
    ]

    assert by_name(asked, "k8gb_like/0", SPAN) == Outcome(shift_s=2.0, detect_s=None, failed=1, requests=2)


def test_verdicts_are_those_on_the_faulty_cluster_since_the_fault() -> None:
    changes = [Change(99.0, "shop", "us-east", "DOWN"), Change(100.3, "shop", "us-east", "SUSPECT"),
               Change(100.4, "shop", "eu-west", "DOWN"), Change(100.5, "shop", "us-east", "DOWN")]  # fmt: skip

    assert verdicts_s(changes, 100.0) == [100.5]


def test_outcome_in_part_is_detected_with_the_first_request_kept_away_and_shifted_at_a_trickle() -> None:
    there, away = frozenset({"us-east"}), frozenset({"eu-west"})
    full = [Attempt(100.0 + i / 10, there) for i in range(20)]
    half = [Attempt(102.0 + i / 10, there if i % 2 else away) for i in range(20)]
    trickle = [Attempt(104.0 + i / 10, away if i % 20 else there) for i in range(60)]

    found = in_part([*full, *half, *trickle], [], "mine", SPAN)

    assert found.detect_s == 2.0
    assert found.shift_s is not None
    assert 3.0 < found.shift_s < 4.0
