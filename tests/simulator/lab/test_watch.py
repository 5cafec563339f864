"""The reader of the controller's plan."""

import aiohttp
from aiohttp import web

from simulator.lab.processes import free_ports
from simulator.lab.watch import Change, Watch, view_of

ANSWER = {
    "turn": 7,
    "reason": "solved",
    "cost_usd_per_hour": {"compute": 3.0, "egress": 0.5, "total": 9.0},
    "flows": [
        {"service": "frontend", "origin": "a", "demand_rps": 40.0, "shares": {}, "weights": {"a": 2500, "b": 7500}}
    ],
    "backends": [
        {
            "service": "frontend", "cluster": "a", "verdict": "UP", "load_rps": 40.0, "capacity_rps": 100.0,
            "utilization": 0.4, "latency_ms": None,
        }
    ],
    "verdict_changes": [{"at_s": 5.0, "backend": "frontend/b", "from": "UP", "to": "DOWN"}],
    "pushes": [{"origin": "a", "version": 3, "at_s": 6.0, "accepted": None, "detail": ""}],
}  # fmt: skip


def test_view_of_an_answer_has_everything_in_it() -> None:
    view = view_of(ANSWER, 8.0)

    assert (view.turn, view.billed_usd_per_hour) == (7, 3.5)
    assert view.weights() == {"frontend@a": {"a": 2500, "b": 7500}}
    assert view.share("frontend", "a", "b") == 0.75
    assert view.share("frontend", "z", "b") == 0.0
    assert view.verdicts() == {("a", "frontend"): "UP"}
    assert view.changes == (Change(5.0, "frontend", "b", "DOWN"),)


async def test_watch_of_a_controller_that_goes_away_keeps_what_it_said() -> None:
    async def plan(_: web.Request) -> web.Response:
        return web.json_response(ANSWER)

    app = web.Application()
    app.add_routes([web.get("/api/v1/plan", plan)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_ports(1)[0]
    await web.TCPSite(runner, "127.0.0.1", port).start()
    watch = Watch(f"http://127.0.0.1:{port}")
    async with aiohttp.ClientSession() as session:
        await watch.look(session)
        await watch.look(session)
        assert watch.answers
        await runner.cleanup()
        await watch.look(session)

    assert not watch.answers
    assert [view.turn for view in watch.history] == [7, 7]
    assert (len(watch.changes), len(watch.pushes)) == (1, 1)
