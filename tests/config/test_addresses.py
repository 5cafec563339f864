"""Addresses as origins and probes get them."""

from pathlib import Path

from config.addresses import ProbeQuestion, addresses_of
from config.load import load
from placement.fleet import ClusterId, OriginId, ServiceId

ADDRESSES = addresses_of(load(Path(__file__).parent / "base.yaml"))
WEB, STORE = ServiceId("web"), ServiceId("store")
HOME, AWAY = ClusterId("home"), ClusterId("away")


def test_addresses_without_a_detour_are_the_endpoints() -> None:
    assert ADDRESSES.seen_from(OriginId("users"), WEB, AWAY) == ("10.1.0.1:80",)
    assert ADDRESSES.seen_from(OriginId("home"), WEB, HOME) == ("10.0.0.1:80", "10.0.0.2:80")


def test_addresses_with_a_detour_are_that_detour() -> None:
    assert ADDRESSES.seen_from(OriginId("home"), WEB, AWAY) == ("192.0.2.1:443",)


def test_addresses_of_what_declares_none_are_empty_and_not_probed() -> None:
    assert ADDRESSES.seen_from(OriginId("home"), STORE, HOME) == ()
    assert (STORE, HOME) not in ADDRESSES.probes


def test_probes_ask_the_endpoints_themselves() -> None:
    assert ADDRESSES.probes[WEB, AWAY] == ProbeQuestion("tcp", ("10.1.0.1:80",), "/", 200, "", "")
