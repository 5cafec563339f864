from dataclasses import replace

from scheduler.state import Mode
from simulator.fuzz.campaign import replay_line
from simulator.fuzz.program import Program, Switch, program
from simulator.fuzz.shrink import shrunk
from simulator.fuzz.watch import Verdict, Violation

GUILTY = {"fault": "cluster-outage", "cluster": "c1", "at": "70.00s", "for": "64.00s"}
INNOCENT = {"fault": "clock-skew", "cluster": "c0", "at": "90.00s", "for": "10.00s", "seconds": 5.0}


def breaks_while_guilty(wanted: Program) -> Verdict:
    """A run that breaks a rule exactly when c1 is out for at least ten seconds."""
    bad = any(e["fault"] == "cluster-outage" and float(e["for"][:-1]) >= 10 for e in wanted.events)
    return Verdict(wanted, (Violation("rule", 80.0, "broken"),) if bad else (), "trace", 1)


def test_shrunk_when_one_fault_is_guilty_keeps_it_alone_and_short() -> None:
    whole = program(3).only((INNOCENT, GUILTY, INNOCENT | {"at": "95.00s"}))
    whole = replace(whole, switches=(Switch(100.0, 110.0, Mode.FROZEN),))

    least = shrunk(breaks_while_guilty(whole), breaks_while_guilty).program

    assert least.switches == ()
    assert [event["fault"] for event in least.events] == ["cluster-outage"]
    assert 10 <= float(least.events[0]["for"][:-1]) < 20


def test_replay_line_of_a_whole_program_needs_the_seed_alone() -> None:
    assert replay_line(program(3)) == "equipoise fuzz --seeds 1 --start 3"
    assert "--events '[{" in replay_line(program(3).only((GUILTY,)))
