import pytest

from health.destinations import Destinations, Forbidden, is_address


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "fe80::1%eth0",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "0.0.0.0",  # noqa: S104  an address to refuse
        "224.0.0.1",
    ],
)
def test_destination_of_metadata_or_link_local_is_forbidden_however_it_is_written(address: str) -> None:
    with pytest.raises(Forbidden, match="not probed"):
        Destinations().check("sly.example", address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "192.0.2.7", "2001:db8::7", "fd12::1"])
def test_destination_inside_is_allowed_unless_there_is_a_list(address: str) -> None:
    Destinations().check("api.example", address)

    with pytest.raises(Forbidden, match="not on the list"):
        Destinations.of(["198.51.100.0/24", "other.example"]).check("api.example", address)


def test_destination_on_the_list_is_allowed_by_network_and_by_name() -> None:
    listed = Destinations.of(["10.0.0.0/8", "API.example", "169.254.7.7"])

    listed.check("anything", "10.9.9.9")
    listed.check("api.example", "192.0.2.7")
    listed.check("link.example", "169.254.7.7")
    with pytest.raises(Forbidden, match="not probed"):
        listed.check("api.example", "169.254.169.254")


async def test_pin_of_an_address_is_itself_and_of_a_forbidden_one_is_refused() -> None:
    assert await Destinations().pin("127.0.0.1") == "127.0.0.1"
    assert await Destinations().pin("localhost") in {"127.0.0.1", "::1"}
    with pytest.raises(Forbidden):
        await Destinations().pin("169.254.169.254")
    with pytest.raises((OSError, UnicodeError)):
        await Destinations().pin("x" * 64 + ".invalid")


def test_address_is_told_from_a_name() -> None:
    assert [is_address(host) for host in ("10.0.0.1", "::1", "fe80::1%eth0", "api.example", "10.0.0")] == [
        True, True, True, False, False,
    ]  # fmt: skip
