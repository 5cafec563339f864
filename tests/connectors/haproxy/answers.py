"""HAProxy's words as version 2.6 says them, and a socket that says whatever a test wants said."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from connectors.haproxy.spec import HaproxySpec
from placement.fleet import ClusterId, OriginId, ServiceId

EAST, WEST = ("10.0.0.1", 80), ("10.0.0.2", 80)
STATE = (
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight "
    "srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state "
    "bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr "
    "srv_agent_addr srv_agent_port\n"
    "3 shop 1 east.1 10.0.0.1 2 0 200 1 2 8 2 0 6 0 0 0 - 80 - 0 0 - - 0\n"
    "3 shop 2 west.1 10.0.0.2 2 0 50 1 2 6 3 4 6 0 0 0 - 80 - 0 0 - - 0\n"
    "3 shop 3 standby:1 127.0.0.1 0 5 1 1 2 1 0 0 14 0 0 0 - 1 - 0 0 - - 0\n"
    "4 other 1 box 10.9.9.9 2 0 1 1 2 6 3 4 6 0 0 0 - 80 - 0 0 - - 0\n\n"
)
MAP = "0x55d0 !fence 1,7,10000\n0x55d8 shop 0,0,east:8000:0,west:2000:0\n\n"


def spec(socket: str = "/nowhere") -> HaproxySpec:
    """SHOP in two clusters, behind the HAProxy of `home`."""
    shop = ServiceId("shop")
    endpoints = {(shop, ClusterId("east")): (EAST,), (shop, ClusterId("west")): (WEST,)}
    return HaproxySpec(OriginId("home"), socket, "/etc/haproxy/equipoise.map", endpoints, standbys=1)


class Imposter:
    """Answers the n-th connection with the n-th answer, and the last one for ever; keeps what it was asked."""

    def __init__(self, *answers: bytes, hold: bool = False) -> None:
        self.answers, self.hold = list(answers), hold
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.asked.append((await reader.readline()).decode().strip())
        writer.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
        if self.hold:
            await reader.read()
        writer.close()


@contextlib.asynccontextmanager
async def listening(imposter: Imposter, folder: Path) -> AsyncIterator[str]:
    """The path of its socket."""
    path = str(folder / "imposter.sock")
    server = await asyncio.start_unix_server(imposter.serve, path)
    try:
        yield path
    finally:
        server.close()
