"""Whatever a mesh answers, a parser gives what it promises, or Unavailable; nothing else ever comes out of it."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import avi
from connectors.aws import alb, lattice, route53
from connectors.aws.api import shaped
from connectors.connector import Unavailable
from connectors.consul import connector as consul
from connectors.consul import entries
from connectors.dns import lua, powerdns, srv
from connectors.dns.spec import Names
from connectors.haproxy import dataplane
from connectors.http import understood
from connectors.kuma import connector as kuma
from connectors.nginx import plus
from connectors.nginx.configuration import record_in, rows_in, version_in
from connectors.record import line_of, record_of, record_text, table_of_line
from connectors.xds import foldermesh
from placement.fleet import ClusterId, OriginId, ServiceId
from placement.weights import table_of

SHAPES: dict[str, Any] = {
    "avi": avi._Page, "consul kv": list[consul._Kv], "consul chain": consul._Compiled,
    "consul splitter": list[entries.Splitter], "consul resolver": list[entries.Resolver], "kuma": kuma._Page,
    "nginx plus": dict[str, plus._Upstream], "powerdns": powerdns._Zone, "data plane": dataplane._Stats,
    "data plane servers": list[dataplane._Server], "envoy": foldermesh._Stats,
}  # fmt: skip
AWS: dict[str, Any] = {
    "alb rules": alb._Rules, "alb tags": alb._AllTags, "lattice": lattice._Rule, "route53": route53._Page,
    "route53 change": route53._Change,
}  # fmt: skip
KEYS = (
    "Name", "Splits", "Weight", "ModifyIndex", "Value", "items", "results", "rrsets", "peers", "stats", "labels",
    "spec", "records", "Chain", "Nodes", "weight", "name", "Rules", "Actions", "arn", "action", "ResourceRecordSets",
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=10,
)
BOOK = {ClusterId("east"): (("10.0.0.1", 80),), ClusterId("west"): (("10.0.0.2", 80),)}
NAMES = Names(OriginId("home"), "fleet.example.", {(ServiceId("shop"), c): at for c, at in BOOK.items()})
examples = settings(max_examples=60, deadline=None, derandomize=True)


@pytest.mark.parametrize("name", sorted(SHAPES))
@examples
@given(data=JSON, noise=st.binary(max_size=40))
def test_json_of_any_kind_is_understood_or_unavailable(name: str, data: Any, noise: bytes) -> None:
    for body in (json.dumps(data).encode(), json.dumps(data).encode()[:-1], noise):
        with contextlib.suppress(Unavailable):
            assert understood(SHAPES[name], body, "home: X, thing") is not None


@pytest.mark.parametrize("name", sorted(AWS))
@examples
@given(data=JSON)
def test_answers_of_aws_of_any_shape_are_understood_or_unavailable(name: str, data: Any) -> None:
    with contextlib.suppress(Unavailable):
        assert shaped(AWS[name], data, "home: X, thing") is not None


@examples
@given(data=JSON, text=st.text(max_size=60))
def test_record_of_any_text_is_a_table_or_unavailable(data: Any, text: str) -> None:
    for written in (text, json.dumps(data)):
        with contextlib.suppress(Unavailable):
            assert record_of(written, "home: X, record").unit > 0
        with contextlib.suppress(Unavailable):
            assert table_of_line("home", "shop", written, "home: X, record").unit > 0


@examples
@given(
    weights=st.lists(st.integers(1, 5_000), min_size=1, max_size=4),
    fence=st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
def test_record_once_written_is_read_as_it_was(weights: list[int], fence: tuple[int, int]) -> None:
    row = {f"c{place}": (weight, 0) for place, weight in enumerate(weights)} | {"spare": (0, 1)}
    table = table_of("home", 20_000, {"shop": row}, fence)

    for again in (record_of(record_text(table), "x"), table_of_line("home", "shop", line_of(table), "x")):
        assert (again.content(), again.fence) == (table.content(), fence)


@examples
@given(text=st.text(max_size=80), lines=st.lists(st.sampled_from([
    "upstream shop {", "    server 10.0.0.1:80 weight=3 max_fails=3 fail_timeout=2s; # east", "    12.50% 1;", "}",
    "    server 10.0.0.2:80 weight=0 max_fails=3 fail_timeout=2s; # west", "    999.99% 1;",
]), max_size=8))  # fmt: skip
def test_file_of_nginx_of_any_kind_gives_rows_that_add_up_or_none(text: str, lines: list[str]) -> None:
    for written in (text, "\n".join(lines)):
        for row in rows_in(written).values():
            assert sum(row.weights.values()) + row.shed in {10_000, row.shed}
        assert isinstance(version_in(written) + record_in(written), str)


@examples
@given(texts=st.lists(st.text(max_size=60) | st.sampled_from([
    "A \"pickwrandom({{3,'10.0.0.1'},{1,'10.0.0.2'}})\"", "A \"pickwrandom({{0,'10.0.0.1'}})\"",
    "0 3 80 1.east.shop.fleet.example.", "1 0 80 1.west.shop.fleet.example.", "0 70000 80 x.",
]), max_size=3))  # fmt: skip
def test_records_of_any_kind_are_a_row_or_none(texts: list[str]) -> None:
    row = lua.row_of(tuple(texts), BOOK, 10_000, health=False)
    assert row is None or sum(row.weights.values()) == 10_000
    other = srv.row_of(tuple(texts), NAMES, ServiceId("shop"))
    assert other is None or set(other.weights) <= BOOK.keys()
