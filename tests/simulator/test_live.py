"""What if, from a ledger."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from config.problem import Invalid
from placement.weights import table_of
from scheduler.ledger import Ledger
from scheduler.tables import TurnRow
from simulator.live import from_ledger, moment
from simulator.play import play
from simulator.results import WITHOUT

EXAMPLE = Path(__file__).parents[2] / "config" / "example"


def documents(folder: Path) -> Path:
    """The example fleet with a ledger of its own, in which the storefront of Frankfurt stands in Virginia."""
    for file in EXAMPLE.glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        (folder / file.name).write_text(text.replace("sqlite:///equipoise.db", f"sqlite:///{folder}/l.db"), "utf-8")
    ledger = Ledger(f"sqlite:///{folder}/l.db")
    table = table_of("eu-central", 10_000, {"storefront": {"us-east": (10_000, 0)}}, (1, 1))

    async def write() -> None:
        await ledger.open()
        await ledger.intend(1, {table.origin: table})

    asyncio.run(write())
    ledger.close()
    return folder


def test_live_scenario_when_played_starts_from_the_weights_of_the_ledger(tmp_path: Path) -> None:
    events = ["cluster-outage cluster=eu-west at=30s for=20s"]
    loaded, tables, source = asyncio.run(from_ledger([documents(tmp_path)], events, 60.0))

    run = play(loaded, "local", tables=tables)

    assert "l.db" in source
    assert list(tables) == ["eu-central"]
    assert loaded.scenario.spec.events[0].lasts == 20.0
    assert run.books.asked_rps.sum() > 0


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ("cluster-outage cluster=eu-wst", 'no cluster "eu-wst"; did you mean "eu-west"'),
        ("cluster-outge cluster=eu-west", 'unknown fault "cluster-outge"; did you mean "cluster-outage"'),
        ("cluster-outage clster=eu-west", 'unknown key "clster"; did you mean "cluster"'),
        ("cluster-outage cluster eu-west", '"cluster" is no key=value'),
        ("cluster-outage", "cluster is missing"),
        ("", "says no fault"),
        ("latency ms=x", "ms must be a number"),
    ],
)
def test_live_scenario_when_an_event_is_wrong_is_refused(tmp_path: Path, event: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        asyncio.run(from_ledger([documents(tmp_path)], [event], 60.0))


def test_simulate_from_the_ledger_says_where_it_starts_and_shows_the_same_time_without_the_event(
    tmp_path: Path,
) -> None:
    event = "cluster-outage cluster=eu-west at=5s for=10s"
    words = ["simulate", "--from-ledger", str(documents(tmp_path)), "--for", "0.4", "--policy", "local"]

    result = CliRunner().invoke(app, [*words, "--event", event, "-o", "json"])

    assert result.exit_code == 0, result.output
    assert "starts from: ledger" in result.stderr
    assert [run["policy"] for run in json.loads(result.stdout)["results"]] == ["local", WITHOUT]


def test_simulate_at_a_time_that_has_passed_starts_from_what_stood_then(tmp_path: Path) -> None:
    folder = documents(tmp_path)
    ledger = Ledger(f"sqlite:///{tmp_path}/l.db")
    later = table_of("eu-central", 10_000, {"storefront": {"eu-west": (10_000, 0)}}, (1, 2))
    refused = table_of("eu-central", 10_000, {"storefront": {"eu-central": (10_000, 0)}}, (1, 3))

    async def write() -> None:
        await ledger.transact(lambda session: session.add(turn_row(1, 1_000.0, {})))
        await ledger.intend(2, {later.origin: later})
        await ledger.transact(lambda session: session.add(turn_row(2, 2_000.0, {"eu-central": {"stored": True}})))
        await ledger.intend(3, {refused.origin: refused})
        await ledger.transact(lambda session: session.add(turn_row(3, 3_000.0, {"eu-central": {"stored": False}})))

    asyncio.run(write())
    ledger.close()
    stood = {at: asyncio.run(from_ledger([folder], [], 60.0, at))[1][later.origin] for at in ("1500", "2500", "3500")}

    assert [table.version for table in stood.values()] == [1, 2, 2]
    with pytest.raises(Invalid, match="begins 500 s later"):
        asyncio.run(from_ledger([folder], [], 60.0, "500"))
    with pytest.raises(Invalid, match="is no time"):
        asyncio.run(from_ledger([folder], [], 60.0, "yesterday"))


def turn_row(number: int, wall_s: float, pushes: dict[str, object]) -> TurnRow:
    """A turn as far as history reads it."""
    return TurnRow(number=number, epoch=1, wall_s=wall_s, body={"pushes": pushes}, previous_hash="", hash="")


@pytest.mark.parametrize(
    ("text", "wall_s"),
    [("1970-01-01T00:01", 60.0), ("1970-01-01T01:00+01:00", 0.0), ("90m", 4_600.0), ("2h", 2_800.0), ("12.5", 12.5)],
)
def test_moment_reads_what_people_write(text: str, wall_s: float) -> None:
    assert moment(text, 10_000.0) == wall_s
