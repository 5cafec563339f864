"""What needs somebody, the gravest first: each with its cause and what to do."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scheduler.board import Board
from scheduler.orders import Override
from scheduler.state import State
from scheduler.turn import Turn

CERTIFICATE_DAYS = 14.0
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing. `level` is bad or warn."""

    level: str
    what: str
    remedy: str
    link: str = ""


def items(
    board: Board, clusters: list[Json], services: list[Json], overrides: tuple[Override, ...], certificates: list[Json]
) -> list[Item]:
    """All of them."""
    state, turn = board.state, board.turn
    assert state is not None
    assert turn is not None
    found = [*_loop(board, state, turn), *_fleet(clusters, services), *_soon(overrides, certificates)]
    return sorted(found, key=lambda item: item.level != "bad")


def _loop(board: Board, state: State, turn: Turn) -> Iterator[Item]:
    if turn.safe:
        yield Item("bad", f"SAFE mode: {'; '.join(turn.safe)}", "Look at the reasons; an admin may then resume.")
    for lost in state.conduct.refused:
        yield Item("bad", f"{lost.domain} is lost and waits for a human", "equipoise resume evacuates it too.")
    if turn.verdicts.panic:
        yield Item("bad", "The probes are in doubt: too much looks dead at once", "Check the vantages.", "/failover")
    if board.ledger_error:
        yield Item("bad", f"The ledger cannot be written: {board.ledger_error}", "Only evacuations go on without it.")
    if board.reload_error:
        yield Item("warn", f"The newest documents are not in force: {board.reload_error}", "equipoise validate FOLDER")
    for source, words in board.source_failures.items():
        yield Item("warn", f"Telemetry source {source} is silent: {words}", "Its last values count until they are old.")
    for origin, outcome in turn.outcomes.items():
        if not outcome.landed:
            yield Item("warn", f"The mesh of {origin} took no weights: {outcome.detail}", "The next tick asks again.")


def _fleet(clusters: list[Json], services: list[Json]) -> Iterator[Item]:
    for cluster in clusters:
        link = f"/clusters/{cluster['cluster']}"
        if cluster["state"] != "up":
            ready = f"{cluster['usable_services']} of {cluster['services']} services usable"
            words = "down" if cluster["state"] == "down" else "partly down"
            yield Item("bad", f"{cluster['cluster']} is {words}: {ready}", "Its load is elsewhere already.", link)
        elif cluster["worst_utilization"] > 1:
            yield Item("warn", f"A backend in {cluster['cluster']} is over its capacity", "Add capacity there.", link)
    for service in services:
        if service["refused_rps"] > 0.05:
            words = f"{service['service']} refuses {service['refused_rps']:,.1f} rps"
            yield Item("bad", words, "More capacity is what it lacks.", f"/services/{service['service']}")


def _soon(overrides: tuple[Override, ...], certificates: list[Json]) -> Iterator[Item]:
    for override in overrides:
        left = (override.expires_wall_s - time.time()) / 60
        yield Item(
            "warn", f"{override.what}, by {override.by}: {override.reason}", f"Ends in {left:,.0f} min.", "/audit"
        )
    for one in certificates:
        if one["days_left"] < CERTIFICATE_DAYS:
            yield Item(
                "warn", f"The certificate of {one['target']} expires in {one['days_left']:.0f} days", "Renew it."
            )
