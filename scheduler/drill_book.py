"""What is known of every failover path, kept up with the loop: proofs of the solver, answers of probes, past drills."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import numpy as np

from health.drill import Level
from health.drill_coverage import DAY_S, Book, coverage, followed, renamed, verified
from placement.columns import Bools, Floats, Ints, floats, index_of, ints
from placement.fleet import Fleet, OriginId
from placement.problem import Problem
from placement.routing import Routing
from scheduler.drill_calendar import Key
from scheduler.drill_ledger import Entry
from scheduler.drill_paths import KINDS, Paths, of_loss, paths_of, probed_at_s, proved_at_s
from scheduler.drill_probes import PathProbes
from scheduler.drill_sight import Look
from scheduler.summary import Json, finite

PROOF_WINDOW_S = 60.0
"""A proof older than this is none."""


@dataclass(slots=True)
class PathBook:
    """The coverage of one controller. Dates are seconds since 1970, so that they outlive it."""

    probes: PathProbes
    book: Book = field(default_factory=Book.empty)
    paths: Paths | None = None
    proved_at_s: Floats = field(default_factory=lambda: floats([]))
    """(N,) when the failover table last looked at each path, whatever it found; seconds since 1970."""
    fleet: Fleet | None = None
    losses: dict[str, int] = field(default_factory=dict)
    """Numbers of the losses, as they first came."""
    earlier: list[tuple[Key, float, tuple[str, ...]]] = field(default_factory=list)
    """Drills of earlier controllers, until their flows are there: (level and loss, when, names of flows)."""

    def restore(self, entries: Iterable[Entry]) -> None:
        """Remember what earlier controllers verified."""
        for entry in entries:
            body = entry.body
            if body["outcome"] == "SUCCEEDED" and body.get("flows"):
                key = (Level[body["level_name"]], str(body["loss"]))
                self.earlier.append((key, float(body["ended_wall_s"]), tuple(body["flows"])))

    def state(self, look: Look) -> tuple[Problem, Routing, "PathBook"] | None:
        """What `paths_now` needs of a look; None while there is no failover table for what stands."""
        state = look.state
        table = state.failover
        if state.problem is None or table is None or len(table.standing) != len(state.fleet.flows):
            return None
        for row in table.rows:
            self.losses.setdefault(str(row.loss), len(self.losses))
        return state.problem, state.routing, self

    def paths_now(self, look: Look) -> Paths | None:
        """The paths of what stands: arithmetic over the whole fleet, to be run off the event loop."""
        found = self.state(look)
        if found is None or look.state.failover is None:
            return None
        return paths_of(found[0], found[1], look.state.failover, self.losses)

    def follow(self, paths: Paths, look: Look) -> None:
        """Take the paths of a look, and what it proves of them."""
        if self.fleet is not look.state.fleet:
            self._rename(look.state.fleet)
        self.paths = paths
        self.book = followed(self.book, paths.key, paths.weight, look.wall_s)
        self.proved_at_s = floats(paths.proved_at_s - look.at_s + look.wall_s)
        key, when_s = proved_at_s(paths)
        self.book = verified(self.book, Level.PROOF, key, when_s - look.at_s + look.wall_s)
        legs_s = probed_at_s(paths, self.probes.leg_at_s(paths.leg))
        good = np.isfinite(legs_s)
        self.book = verified(self.book, Level.PROBE, paths.key[good], legs_s[good])
        self._recall(look.state.fleet)

    def flows_of(self, loss: str, without: Collection[OriginId] = ()) -> Ints:
        """Flows that a loss hits, but for those of some origins."""
        if self.paths is None or self.fleet is None or loss not in self.losses:
            return ints([])
        flows = self.paths.key[of_loss(self.paths, self.losses[loss])] % self.paths.flows
        there = np.array([origin not in without for origin in self.fleet.origins.ids], dtype=bool)
        return ints(flows[there[self.fleet.flows.origin[flows]]])

    def legs_of(self, loss: str) -> Ints:
        """Legs that the paths of a loss take, each once."""
        if self.paths is None or loss not in self.losses:
            return ints([])
        mine = of_loss(self.paths, self.losses[loss])
        return ints(np.unique(self.paths.leg[mine[self.paths.leg_path]]))

    def succeed(self, level: Level, loss: str, flows: Ints, wall_s: float) -> None:
        """A drill verified these flows' paths."""
        if self.paths is not None and loss in self.losses:
            key = self.losses[loss] * self.paths.flows + flows
            self.book = verified(self.book, level, key, wall_s)

    def summary(self, wall_s: float, kinds: Iterable[str] = KINDS) -> Json:
        """Coverage by level, and the oldest unverified path.

        Proofs and probes are for every loss; `kinds` are those that are also drilled, and so what L2 and above cover.
        """
        drilled = self._rows_of(kinds)
        day = {
            level: coverage(self.book, level, wall_s, of=drilled if level >= Level.DRY_PUSH else None)
            for level in Level
        }
        ages_s = wall_s - self.proved_at_s
        stale = ages_s > PROOF_WINDOW_S
        fresh = self.book.weight[~stale].sum() / max(self.book.weight.sum(), 1e-9)
        flows = self.book.key % self.paths.flows if self.paths is not None else ints([])
        return {
            "paths": len(self.book),
            "coverage24": {str(level): round(found.ratio, 6) for level, found in day.items()},
            "drilled_kinds": list(kinds),
            "coverage24_by_kind": {kind: self._of_kind(kind, wall_s) for kind in self._kinds()},
            "proof_coverage": round(float(fresh), 6) if len(self.book) else 1.0,
            "flows_proved_ratio": round(1 - len(np.unique(flows[stale])) / max(len(np.unique(flows)), 1), 6),
            "proof_window_s": PROOF_WINDOW_S,
            "oldest_proof_age_s": round(float(ages_s.max(initial=0.0)), 3),
            "oldest_unverified_path_age_s": round(day[Level.PROOF].oldest_age_s, 3),
            "oldest_unverified_path": {
                str(level): {"path": self.name(found.oldest), "age_s": finite(round(found.oldest_age_s, 3))}
                for level, found in day.items()
            },
            "window_s": DAY_S,
        }

    def name(self, key: int) -> str:
        """A path as people write it; empty for none."""
        if key < 0 or self.paths is None or self.fleet is None:
            return ""
        names = list(self.losses)
        return f"{self.fleet.flow_name(key % self.paths.flows)} after the loss of {names[key // self.paths.flows]}"

    def _kinds(self) -> list[str]:
        found = dict.fromkeys(loss.split(" ", 1)[0] for loss in self.losses)
        return [kind for kind in found if kind in KINDS]

    def _of_kind(self, kind: str, wall_s: float) -> Json:
        rows = self._rows_of((kind,))
        return {str(level): round(coverage(self.book, level, wall_s, of=rows).ratio, 6) for level in Level}

    def _rows_of(self, kinds: Iterable[str]) -> Bools:
        """(N,) the paths of losses of some kinds."""
        wanted = set(kinds)
        numbers = [n for loss, n in self.losses.items() if loss.split(" ", 1)[0] in wanted]
        flows = self.paths.flows if self.paths else 1
        return np.asarray(np.isin(self.book.key // max(flows, 1), numbers), dtype=np.bool_)

    def _rename(self, fleet: Fleet) -> None:
        before, self.fleet = self.fleet, fleet
        if before is None or self.paths is None:
            return
        new = index_of(tuple(fleet.flow_name(f) for f in range(len(fleet.flows))))
        row = np.array([new.get(before.flow_name(f), -1) for f in range(len(before.flows))], dtype=np.int64)
        old = self.book.key % self.paths.flows
        loss = self.book.key // self.paths.flows
        self.book = renamed(self.book, np.where(row[old] >= 0, loss * len(fleet.flows) + row[old], -1))

    def _recall(self, fleet: Fleet) -> None:
        if not self.earlier:
            return
        rows = index_of(tuple(fleet.flow_name(f) for f in range(len(fleet.flows))))
        for (level, loss), when_s, names in self.earlier:
            self.succeed(level, loss, ints([rows[name] for name in names if name in rows]), when_s)
        self.earlier = []


def times(values: Iterable[float]) -> tuple[float | None, float | None]:
    """(p50, p99) of some durations; None without any."""
    found = floats(sorted(values))
    if not len(found):
        return None, None
    p50, p99 = np.quantile(found, (0.5, 0.99), method="inverted_cdf")
    return round(float(p50), 4), round(float(p99), 4)
