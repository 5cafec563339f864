"""A controller in small, to be killed: drains everything of an HAProxy and renews the lease for ever.

python -m tests.contract.lease_holder SOCKET MAP CLUSTER=PORT...
"""

import asyncio
import sys

from connectors.haproxy.connector import HaproxyConnector
from connectors.haproxy.spec import HaproxySpec
from placement.fleet import ClusterId, OriginId, ServiceId
from tests.contract.harness import ORIGIN, SERVICE, UNIT, table

LEASE_S = 1.0
RENEW_S = 0.2


async def hold(socket: str, map_path: str, ports: dict[str, int]) -> None:
    """Until somebody kills us."""
    book = {(ServiceId(SERVICE), ClusterId(c)): (("127.0.0.1", port),) for c, port in ports.items()}
    connector = HaproxyConnector(HaproxySpec(OriginId(ORIGIN), socket, map_path, book))
    await connector.read()
    await connector.arm(table({"north": UNIT}))
    while True:
        await connector.drain(1.0, LEASE_S)
        await asyncio.sleep(RENEW_S)


if __name__ == "__main__":
    places = (place.split("=") for place in sys.argv[3:])
    asyncio.run(hold(sys.argv[1], sys.argv[2], {cluster: int(port) for cluster, port in places}))
