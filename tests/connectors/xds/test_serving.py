"""ORCA named metrics: from the headers of model servers through a real Envoy's load reports to capacity and latency."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.telemetry import Signal
from connectors.xds.serving import Serving, ServingQuality
from placement.fleet import ClusterId, ServiceId
from tests.contract.harness import SERVICE, UNIT, eventually, table
from tests.contract.harness_xds import xds_envoy

KEY = (ServiceId("llama"), ClusterId("east"))
Said = dict[str, tuple[int, float]]


async def collected(at_s: float, *rows: tuple[int, Said]) -> dict[Signal, float]:
    """What comes out at a time of what the proxies of some origins reported since second 1."""
    origins = []
    for issued, said in rows:
        serving = Serving(lambda: 1.0)
        serving.add(KEY, issued, [(f"named_metrics.{name}", *numbers) for name, numbers in said.items()])
        origins.append(serving)
    batches = await ServingQuality(lambda: origins, lambda: at_s).collect()
    return {batch.signal: float(batch.value[0]) for batch in batches if batch.keys == (KEY,)}


async def test_capacity_is_what_all_origins_send_over_how_full_the_cache_is() -> None:
    found = await collected(
        11.0,
        (300, {"kv_cache_usage_perc": (100, 60.0), "time_to_first_token_ms": (100, 25_000.0)}),
        (100, {"kv_cache_usage_perc": (100, 40.0)}),
    )

    assert found == {Signal.CAPACITY_RPS: 40.0 / 0.5, Signal.LATENCY_MS: 250.0}


async def test_capacity_where_requests_wait_is_what_is_served_now() -> None:
    found = await collected(11.0, (300, {"kv_cache_usage_perc": (10, 5.0), "num_requests_waiting": (10, 70.0)}))

    assert found == {Signal.CAPACITY_RPS: 30.0}


async def test_capacity_of_idle_servers_is_not_guessed() -> None:
    assert await collected(11.0, (300, {"kv_cache_usage_perc": (10, 0.5), "num_requests_waiting": (10, 0.0)})) == {}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["named_metrics.kv_cache_usage_perc", "named_metrics.queue", "", "x"]),
            st.integers(-5, 10),
            st.floats(allow_nan=True, allow_infinity=True),
        ),
        max_size=8,
    ),
    issued=st.integers(0, 1_000),
)
async def test_whatever_servers_say_gives_numbers_of_zero_or_more(
    rows: list[tuple[str, int, float]], issued: int
) -> None:
    serving = Serving(lambda: 1.0)
    serving.add(KEY, issued, rows)

    for batch in await ServingQuality(lambda: [serving], lambda: 2.0).collect():
        assert (batch.value >= 0).all()
        assert (batch.value < float("inf")).all()


async def test_named_metrics_of_servers_come_through_a_real_envoy(tmp_path: Path) -> None:
    async with xds_envoy(tmp_path, endpoint_metrics=True) as mesh:
        says = "TEXT named_metrics.kv_cache_usage_perc=0.5, named_metrics.num_requests_waiting=0"
        mesh.backends["east"].says(f"endpoint-load-metrics: {says}")  # type: ignore[attr-defined]
        await mesh.connector.write(table({"east": UNIT}))
        clock = [100.0]
        quality = ServingQuality(lambda: [mesh.reports.serving], lambda: clock[0])
        found: dict[tuple[str, ...], float] = {}

        async def reported() -> bool:
            await mesh.send(SERVICE, 20)
            clock[0] += 1.0
            for batch in await quality.collect():
                if batch.signal is Signal.CAPACITY_RPS:
                    found.update(dict(zip(batch.keys, batch.value.tolist(), strict=True)))
            return bool(found)

        await eventually(reported, "a capacity comes out")
        assert list(found) == [(SERVICE, "east")]
        assert found[SERVICE, "east"] > 0
