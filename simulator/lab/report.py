"""What happened, as a table for people and as one line of JSON for programs."""

import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from simulator.lab import effects
from simulator.lab.fleet import Lab
from simulator.lab.gateways import DataPlane
from simulator.lab.places import FRONTEND, PLACES
from simulator.lab.story import Scene

LOOK_BACK_S = 3.0
"""Over which the state at the end of a scene is taken."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One scene in numbers. None where it does not apply or did not happen."""

    scene: Scene
    reacted_s: float | None
    """Until the weights of the place's front end first changed."""
    settled_s: float | None
    """Until they last changed."""
    away_before: float
    away_after: float
    usd_before: float
    usd_after: float
    latency_p50_ms: float
    latency_p95_ms: float
    requests: int
    failed: int
    rerouted: int


def outcome(lab: Lab, scene: Scene) -> Outcome:
    """Measure one scene."""
    place, (start_s, end_s) = scene.act.place, scene.span
    moves = effects.weights_moves_s(lab.watch.history, f"{FRONTEND.name}@{place}", scene.span)
    served = [s for s in lab.served if effects.within(scene.span, s.at_s)]
    latency_ms = [s.latency_ms for s in served if not s.failed]
    return Outcome(
        scene=scene,
        reacted_s=moves[0] if moves else None,
        settled_s=moves[1] if moves else None,
        away_before=effects.away_ratio(lab.served, place, (start_s - LOOK_BACK_S, start_s)),
        away_after=effects.away_ratio(lab.served, place, (end_s - LOOK_BACK_S, end_s)),
        usd_before=usd_at(lab, start_s),
        usd_after=usd_at(lab, end_s),
        latency_p50_ms=effects.percentile(latency_ms, 0.5),
        latency_p95_ms=effects.percentile(latency_ms, 0.95),
        requests=len(served),
        failed=sum(s.failed for s in served),
        rerouted=sum(s.rerouted for s in served),
    )


def usd_at(lab: Lab, at_s: float) -> float:
    """The billed cost that was last reported before a moment; NaN before the first."""
    view = lab.watch.before(at_s)
    return view.billed_usd_per_hour if view else math.nan


def failover(lab: Lab, scene: Scene) -> dict[str, Any]:
    """What followed from a kill. The gRPC gateways do not know where a failed attempt went, so no shift is known."""
    before, after = lab.watch.before(scene.at_s), lab.watch.before(scene.until_s)
    knows_failures = lab.options.data_plane is DataPlane.ENVOY
    return {
        "failover_detect_s": effects.detect_s(lab.watch.changes, scene.act.place, scene.at_s),
        "failover_shift_s": effects.shift_s(lab.attempts, scene.act.place, scene.span) if knows_failures else None,
        "weights_before": before.weights() if before else {},
        "weights_after": after.weights() if after else {},
        "usd_per_hour_before": usd_at(lab, scene.at_s),
        "usd_per_hour_after": usd_at(lab, scene.until_s),
    }


def comeback(lab: Lab, returned: Scene) -> dict[str, Any]:
    """How a cluster came back into use."""
    cluster = returned.act.place
    return {
        "return_first_request_s": effects.first_served_s(lab.served, cluster, returned.at_s),
        "return_home_s": effects.home_again_s(lab.served, cluster, returned.span),
    }


def summary(lab: Lab, scenes: list[Scene]) -> dict[str, Any]:
    """Everything measured, as plain values; what did not happen is None."""
    by_name = {scene.act.name: scene for scene in scenes}
    span = (scenes[0].at_s, scenes[-1].until_s)
    served = [s for s in lab.served if effects.within(span, s.at_s)]
    splits = effects.splits(lab.watch.history, lab.attempts)
    first_s = effects.tick_to_request_s(lab.attempts, lab.watch.pushes.values(), *_shift(by_name["price"]))
    values = {
        "duration_s": span[1] - span[0],
        "seed": lab.options.seed,
        "data_plane": lab.options.data_plane,
        "prometheus": lab.setting.has_prometheus,
        "requests": len(served),
        "failed": sum(s.failed for s in served),
        "failed_by_status": dict(Counter(str(s.status) for s in served if s.failed)),
        "rerouted": sum(s.rerouted for s in served),
        "latency_p50_ms": effects.percentile((s.latency_ms for s in served), 0.5),
        "latency_p95_ms": effects.percentile((s.latency_ms for s in served), 0.95),
        **failover(lab, by_name["kill"]),
        **comeback(lab, by_name["return"]),
        "tick_to_request_ms": None if first_s is None else 1e3 * first_s,
        "split_requests": sum(split.got for split in splits),
        "split_deviation_max": max((split.deviation for split in splits), default=None),
        "acts": [act_values(outcome(lab, scene)) for scene in scenes],
    }
    return {name: plain(value) for name, value in values.items()}


def _shift(price: Scene) -> tuple[str, str, float]:
    """(origin, the cheapest other cluster, since when): where a price change sends requests."""
    cheapest = min((p for p in PLACES.values() if p.name != price.act.place), key=lambda p: p.usd_per_node_hour)
    return price.act.place, cheapest.name, price.at_s


def act_values(outcome: Outcome) -> dict[str, Any]:
    """One act as plain values."""
    values = {name: getattr(outcome, name) for name in Outcome.__slots__ if name != "scene"}
    return {"act": outcome.scene.act.name, "place": outcome.scene.act.place, **values}


def plain(value: Any) -> Any:
    """Floats rounded for reading, NaN and infinity as null: JSON has neither."""
    match value:
        case float():
            return round(value, 4) if math.isfinite(value) else None
        case dict():
            return {key: plain(inner) for key, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
        case _:
            return value


def line(values: dict[str, Any]) -> str:
    """The one line of JSON."""
    return json.dumps(values, allow_nan=False)


def show(values: dict[str, Any]) -> Group:
    """The acts, what each did, and the times that were measured."""
    out = Table(title="What happened", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("act", "where"):
        out.add_column(name, no_wrap=True)
    for name in ("moved", "until", "away", "$/h", "p50/p95 ms", "failed"):
        out.add_column(name, justify="right", no_wrap=True)
    for act in values["acts"]:
        out.add_row(
            act["act"], act["place"], seconds(act["reacted_s"]), seconds(act["settled_s"]),
            f"{act['away_before']:.0%}>{act['away_after']:.0%}",
            f"{money(act['usd_before'])}>{money(act['usd_after'])}",
            f"{number(act['latency_p50_ms'])}/{number(act['latency_p95_ms'])}", str(act["failed"]),
        )  # fmt: skip
    return Group(out, Text("\n".join(sentences(values))))


def sentences(values: dict[str, Any]) -> list[str]:
    """What the table has no column for."""
    tick, deviation = values["tick_to_request_ms"], values["split_deviation_max"]
    said = [
        (
            "moved, until: when the weights of the place's front end changed first and last. "
            "away: its users' requests served elsewhere."
        ),
        (
            f"Killed: found dead after {seconds(values['failover_detect_s'])}; the last request was sent to it after "
            f"{seconds(values['failover_shift_s'])}; {values['rerouted']} requests came out at another gateway."
        ),
        (
            f"Started again: served after {seconds(values['return_first_request_s'])}, "
            f"nearly all of its users were home after {seconds(values['return_home_s'])}."
        ),
        f"{values['failed']} of {values['requests']} requests failed.",
    ]
    if tick is not None:
        said.append(f"From the start of a tick to the first request on its new weights: {tick:.0f} ms.")
    if deviation is not None:
        said.append(
            f"Over {values['split_requests']} requests on split weights no cluster's count was more than "
            f"{deviation:.1f} standard errors off."
        )
    return said


def seconds(value: float | None) -> str:
    """`1.23 s`, or a dash."""
    return "-" if value is None else f"{value:.2f} s"


def number(value: float | None) -> str:
    """Without decimals, or a dash."""
    return "-" if value is None else f"{value:.0f}"


def money(value: float | None) -> str:
    """With cents, or a dash."""
    return "-" if value is None else f"{value:.2f}"
