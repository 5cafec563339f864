"""A fleet that is probed and judged, told in order."""

import numpy as np

from health.evidence import no_evidence, record
from health.rules import Rules
from health.states import State
from health.verdict import all_up, judge, usable
from placement.columns import bools, ints
from placement.fleet import Backends

RULES = Rules(fall=3, rise=4, hold_down_s=5, hold_down_max_s=300, forget_s=600, ramp_s=60)
FOUR_CLUSTERS = Backends(service=ints([0, 0, 0, 0]), cluster=ints([0, 1, 2, 3]))


class Story:
    """A fleet that is probed and judged every 250 ms, for tests that tell what happens in order."""

    def __init__(self, backends: Backends = FOUR_CLUSTERS, rules: Rules = RULES, vantages: int = 1) -> None:
        self.backends, self.rules, self.at_s = backends, rules, 1_000.0
        self.evidence = no_evidence(len(backends), vantages)
        self.verdicts = all_up(len(backends), self.at_s)

    def rounds(self, count: int, dead: set[int], blind: dict[int, set[int]] | None = None) -> "Story":
        """`count` rounds in which the rows in `dead` fail everywhere, and `blind[v]` fail at vantage v only."""
        rows = ints(np.arange(len(self.backends)))
        for _ in range(count):
            self.at_s += 0.25
            for vantage in range(self.evidence.vantages):
                failed = dead | (blind or {}).get(vantage, set())
                ok = bools([row not in failed for row in range(len(self.backends))])
                self.evidence = record(self.evidence, rows, vantage, ok, self.at_s)
            self.judge()
        return self

    def judge(self) -> "Story":
        self.verdicts = judge(self.verdicts, self.evidence, self.backends, self.at_s, self.rules)
        return self

    def until_back(self, row: int) -> float:
        """Probes pass until the row is in service; seconds since it fell."""
        while not usable(self.verdicts)[row]:
            self.rounds(1, dead=set())
            assert self.at_s < 10_000
        return self.at_s - self.fell_at_s

    def fall(self, row: int) -> "Story":
        self.rounds(self.rules.fall, dead={row})
        assert self.state(row) == State.DOWN
        self.fell_at_s = self.at_s
        return self

    def wait(self, seconds: float) -> "Story":
        self.at_s += seconds
        return self

    def state(self, row: int) -> State:
        return State(self.verdicts.state[row])
