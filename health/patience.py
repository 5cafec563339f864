"""How long a prober waits for answers, and how long it looks on before it asks again: it doubts itself first.

Two waits, for two questions. The timeout says when an answer is missed; it grows while the prober itself is late or has
just begun (Lifeguard, Dadgar et al., DSN 2018). An answer that is later than usual is no miss yet, but it is worth
asking again at once, so that a target that swallows packets is known one timeout after its fault and not two. What is
usual is estimated as TCP does it for its own timeouts (Jacobson, Congestion Avoidance and Control, SIGCOMM 1988).
"""

STRAIN_MAX = 3
"""A prober that was late waits up to 2**3 times as long for answers."""
CALM_S = 10.0
"""Without being late for this long, it waits half as long again."""
LATE_S = 0.02
"""A round that is late by less than this was not kept from anything."""
START_STRAIN, START_S = 2, 10.0
"""A prober that has just begun waits four times as long, at most so long: all around it is beginning as well."""
SETTLED_S = 2.0
"""Without being late for this long after its start, it has settled."""
QUICK_MIN = 4
"""Answers within the timeout after which a target has settled too."""
MEAN_GAIN, DEVIATION_GAIN, DEVIATIONS = 1 / 8, 1 / 4, 4.0
"""Jacobson's: how much a new answer counts, and how far from the mean is unusual."""


class Patience:
    """Of one prober, since `began_s`. Rows are its targets."""

    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.strain = 0
        """How often timeouts are doubled now."""
        self.stalled_s = 0.0
        """How late the last round was."""
        self.lost_s = 0.0
        """How long this process has stood still in all: many small delays are as bad as a large one."""
        self.stalled_until_s = self.late_at_s = self.calm_due_s = float("-inf")
        self.replace([])

    def replace(self, rows: list[int]) -> None:
        """Other targets from now on; the new target i was target `rows[i]`, -1 where it is new."""
        quick = [self.quick[row] if row >= 0 else 0 for row in rows]
        mean_s = [self.mean_s[row] if row >= 0 else 0.0 for row in rows]
        deviation_s = [self.deviation_s[row] if row >= 0 else 0.0 for row in rows]
        self.quick: list[int] = quick
        """Answers of each target within the timeout, up to QUICK_MIN."""
        self.mean_s: list[float] = mean_s
        self.deviation_s: list[float] = deviation_s

    def mind_lateness(self, late_s: float, now_s: float, most_s: float) -> None:
        """Take note of how late a round is; above `most_s`, failures of the time we stood still are our own."""
        self.stalled_s = max(late_s, 0.0)
        if late_s > LATE_S:
            self.lost_s += late_s
            self.late_at_s = now_s
        if late_s > most_s:
            self.stalled_until_s = now_s
            if not self.starting(now_s):
                self.strain, self.calm_due_s = min(self.strain + 1, STRAIN_MAX), now_s
        if self.strain and now_s - self.calm_due_s > CALM_S:
            self.strain, self.calm_due_s = self.strain - 1, now_s

    def starting(self, at_s: float) -> bool:
        """Whether all this has just begun."""
        return at_s < self.began_s + START_S

    def settled(self, row: int, at_s: float) -> bool:
        """Whether a start is over for one target: we are on time, and it has answered as it should."""
        calm = at_s - max(self.began_s, self.late_at_s) >= SETTLED_S and self.quick[row] >= QUICK_MIN
        return calm or not self.starting(at_s)

    def timeout_s(self, row: int, at_s: float, usual_s: float) -> float:
        """How long a probe that begins now waits for its answer; `usual_s` where there is no doubt."""
        doublings = self.strain if self.settled(row, at_s) else max(self.strain, START_STRAIN)
        return usual_s * 2.0**doublings

    def heard(self, row: int, took_s: float, timeout_s: float) -> None:
        """A good answer came after that time."""
        self.quick[row] = min(self.quick[row] + (took_s <= timeout_s), QUICK_MIN)
        if not self.mean_s[row]:
            self.mean_s[row], self.deviation_s[row] = took_s, took_s / 2
            return
        off_s = took_s - self.mean_s[row]
        self.mean_s[row] += MEAN_GAIN * off_s
        self.deviation_s[row] += DEVIATION_GAIN * (abs(off_s) - self.deviation_s[row])

    def overdue_s(self, row: int, least_s: float) -> float:
        """After which time without an answer it is later than usual, and by `least_s` at least."""
        if not self.quick[row]:
            return float("inf")
        return self.mean_s[row] + max(DEVIATIONS * self.deviation_s[row], least_s)
