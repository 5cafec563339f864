"""What if, from a ledger."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from config.problem import Invalid
from placement.weights import table_of
from scheduler.ledger import Ledger
from simulator.live import from_ledger
from simulator.play import play

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
    [("cluster-outage cluster=nowhere", "no cluster"), ("meteor cluster=eu-west", "meteor"), ("latency ms=x", "ms")],
)
def test_live_scenario_when_an_event_is_wrong_is_refused(tmp_path: Path, event: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        asyncio.run(from_ledger([documents(tmp_path)], [event], 60.0))


def test_simulate_when_asked_from_the_ledger_says_where_it_starts(tmp_path: Path) -> None:
    words = ["simulate", "--from-ledger", str(documents(tmp_path)), "--for", "0.5", "--policy", "local"]

    result = CliRunner().invoke(app, words)

    assert result.exit_code == 0, result.output
    assert "starts from: ledger" in result.stderr
