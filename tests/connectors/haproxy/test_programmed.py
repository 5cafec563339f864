"""HAProxy's words become values or a BadAnswer, whatever they are; commands turn one value into the other."""

import random

import pytest

from connectors.haproxy.programmed import BadAnswer, Programmed, Server, commands, differs, entries_of, servers_of
from connectors.haproxy.rows import fence_of, row_of
from connectors.haproxy.statistics import counts_of
from tests.connectors.haproxy.answers import EAST, MAP, STATE, WEST

SHOP = frozenset({"shop"})
FIELDS = "stot,econ,eresp,wretr,wredis,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,rtime,addr,req_tot"
STAT = (
    f"# pxname,svname,{FIELDS}\n"
    "shop,east.1,7,1,0,0,0,0,6,0,0,0,0,12,10.0.0.1:80,\n"
    "shop,BACKEND,8,0,0,0,0,0,6,0,0,1,0,,,8\n\n"
)


def test_servers_of_a_dump_are_those_of_our_backends_with_weight_address_and_use() -> None:
    found = servers_of(STATE, SHOP)

    assert found == {
        ("shop", "east.1"): Server(200, EAST, in_use=True),
        ("shop", "west.1"): Server(50, WEST, in_use=True),
        ("shop", "standby:1"): Server(1, ("127.0.0.1", 1), in_use=False),
    }


def test_entries_of_a_map_keep_the_first_of_two_with_one_key() -> None:
    found = entries_of("0x1 a x\n0x2 b y\n0x3 a z\n\n")

    assert found == {"a": "x", "b": "y"}


@pytest.mark.parametrize("answer", ["", "\n", "Unknown command\n\n", "2\n# be_name\n\n", "1\n# be_id be_name\n\n"])
def test_servers_of_something_else_is_a_bad_answer(answer: str) -> None:
    with pytest.raises(BadAnswer, match="show servers state"):
        servers_of(answer, SHOP)


def test_mangled_answers_give_values_or_bad_answers_and_nothing_else() -> None:
    dice = random.Random(6)
    parsers = [
        (STATE, lambda text: servers_of(text, SHOP)),
        (MAP, entries_of),
        (STAT, lambda text: counts_of(text, SHOP)),
        ("250000,2500,east:6000:0,west:0:1", row_of),
        ("1,7,10000", lambda text: fence_of({"!fence": text})),
    ]
    refused = 0
    for _ in range(3_000):
        whole, parse = dice.choice(parsers)
        try:
            parse(mangled(whole, dice))
        except BadAnswer:
            refused += 1
    assert refused > 1_000


def mangled(text: str, dice: random.Random) -> str:
    """Cut, doubled, swapped or with strange characters in it."""
    for _ in range(dice.randint(1, 4)):
        a, b = sorted(dice.randint(0, len(text)) for _ in range(2))
        strange = dice.choice(["", "\x00", "é", "9" * 30, "-1", "NaN", "\n", " ", ",", '"', "²", text[a:b], "<html>"])
        text = text[:a] + strange + text[b if dice.random() < 0.5 else a :]
    return text


def test_commands_raise_before_they_lower_and_say_nothing_of_what_is_so() -> None:
    east, west = ("shop", "east.1"), ("shop", "west.1")
    now = Programmed(servers_of(STATE, SHOP), entries_of(MAP))
    goal = Programmed(
        {east: Server(0, EAST, in_use=True), west: Server(256, WEST, in_use=True)},
        {"!fence": "1,8,10000", "shop": "0,0,west:10000:0"},
    )

    said = commands(now, goal, "m", frozenset({"!fence"}))

    assert said == [
        "set map m !fence 1,8,10000",
        "set server shop/west.1 weight 256",
        "set server shop/east.1 weight 0",
        "set map m shop 0,0,west:10000:0",
    ]
    assert commands(now, now, "m", frozenset()) == []


def test_standby_gets_its_address_before_it_is_used_and_a_key_that_is_gone_is_deleted() -> None:
    now = Programmed(servers_of(STATE, SHOP), entries_of(MAP))
    goal = Programmed({("shop", "standby:1"): Server(1, WEST, in_use=True)}, {"!fence": "1,7,10000"})

    said = commands(now, goal, "m", frozenset())

    assert said == [
        "set server shop/standby:1 addr 10.0.0.2 port 80",
        "set server shop/standby:1 state ready",
        "del map m shop",
    ]
    assert "standby:1" in differs(now, goal)
