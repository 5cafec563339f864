"""The summary and its two forms, from records made by hand."""

import json
from pathlib import Path

from rich.console import Console

from simulator.lab import report, view
from simulator.lab.addresses import choose
from simulator.lab.attempts import Attempt
from simulator.lab.documents import Setting
from simulator.lab.fleet import Lab, Options
from simulator.lab.gateways import DataPlane
from simulator.lab.load import Served
from simulator.lab.processes import Children
from simulator.lab.story import ACTS, scenes
from simulator.lab.watch import Backend, Change, Flow, Push, View, Watch

CLUSTERS = ("eu-west", "us-east", "ap-southeast")


def flow(origin: str, **weights: int) -> Flow:
    return Flow("frontend", origin, 40.0, {name.replace("_", "-"): weight for name, weight in weights.items()})


def view_at(at_s: float) -> View:
    """At home until 37; then eu-west in us-east; from 54 nobody in us-east."""
    eu = flow("eu-west", us_east=7500, eu_west=2500) if 37 < at_s < 54 else flow("eu-west", eu_west=10_000)
    verdict = "DOWN" if 53.3 < at_s < 70 else "UP"
    backends = tuple(Backend("frontend", c, verdict if c == "us-east" else "UP", 40, 100, 0.4, 60) for c in CLUSTERS)
    return View(at_s, int(at_s), "solved", {"compute": 3.0, "egress": 0.1, "total": 4.0},
                (eu, flow("us-east", us_east=10_000)), backends, (), ())  # fmt: skip


def lab(folder: Path, data_plane: DataPlane = DataPlane.ENVOY) -> Lab:
    """A hundred seconds of records; nothing runs."""
    options = Options(data_plane=data_plane)
    made = Lab(options, Setting(folder, choose(), False, False, data_plane, 0.3), Children(folder), Watch("http://x"))
    made.watch.history = [view_at(i / 4) for i in range(400)]
    made.watch.changes = {Change(53.3, "frontend", "us-east", "DOWN"): None}
    made.watch.pushes = {("eu-west", 2): Push(37.5, "eu-west", 2, True)}
    made.served = [Served(i / 10, region, region, region, region, 200, 100.0, False)
                   for i in range(1000) for region in CLUSTERS]  # fmt: skip
    made.attempts = [Attempt(37.52 + i / 10, "eu-west", "eu-west" if i % 4 == 3 else "us-east", "frontend", 200)
                     for i in range(158)]  # fmt: skip
    return made


def summary(made: Lab) -> dict[str, object]:
    moments = [100 * act.at_ratio for act in ACTS]
    return report.summary(made, list(scenes(moments, 100.0)))


def test_summary_holds_what_the_demo_promises(tmp_path: Path) -> None:
    values = json.loads(report.line(summary(lab(tmp_path))))

    assert values["requests"] == 3000
    assert values["failed"] == 0
    assert values["failover_detect_s"] == 0.3
    assert values["failover_shift_s"] == 0.22
    assert values["weights_before"]["frontend@eu-west"] == {"us-east": 7500, "eu-west": 2500}
    assert values["weights_after"]["frontend@eu-west"] == {"eu-west": 10_000}
    assert values["usd_per_hour_before"] == values["usd_per_hour_after"] == 3.1
    assert values["tick_to_request_ms"] == 20.0
    assert values["split_deviation_max"] < 1
    assert [act["act"] for act in values["acts"]] == [act.name for act in ACTS]


def test_summary_of_grpc_gateways_does_not_claim_to_know_the_shift(tmp_path: Path) -> None:
    assert summary(lab(tmp_path, DataPlane.GRPC))["failover_shift_s"] is None


def test_show_fits_a_terminal_of_eighty_columns(tmp_path: Path) -> None:
    console = Console(width=80, record=True, file=(tmp_path / "out").open("w"))

    console.print(report.show(summary(lab(tmp_path))))

    text = console.export_text()
    assert "found dead after 0.30 s; the last request was sent to it after 0.22 s" in " ".join(text.split())
    assert "…" not in text


def test_screen_shows_health_weights_and_users(tmp_path: Path) -> None:
    made = lab(tmp_path)
    made.watch.history = [view_at(60.0)]
    made.watch.answers = True
    console = Console(width=120, record=True, file=(tmp_path / "out").open("w"))

    console.print(view.screen(made, ["  53.0 s  us-east is killed"], 60.0))

    text = console.export_text()
    assert "turn 60 solved   $3.10/h" in text
    assert "DOWN" in text
    assert "us-east is killed" in text
    assert "100.0%" in text


def test_status_of_a_silent_controller_says_so(tmp_path: Path) -> None:
    made = lab(tmp_path)

    assert "controller does not answer" in view.status(made)

    made.watch.answers = True
    made.watch.history = [view_at(53.5)]
    assert "frontend/us-east DOWN" in view.status(made)
    assert "eu-west>us-east 75%" in view.status(made)
