"""A proxy that only talks xDS: it follows every reference, and refuses what it is told to refuse."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import grpc
import grpc.aio
from envoy.service.discovery.v3 import discovery_pb2
from envoy.service.load_stats.v3 import lrs_pb2
from google.rpc import status_pb2

from connectors.xds.resources import CDS, EDS, LDS, PUSH_ORDER, RDS

ADS_METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
LRS_METHOD = "/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats"
FOLLOWED_BY = {CDS: EDS, LDS: RDS}

Opinion = Callable[[str, dict[str, bytes]], str]
"""(type, resources) -> the words of a refusal, empty for consent."""


def content(_kind: str, _resources: dict[str, bytes]) -> str:
    """Accepts everything."""
    return ""


class Proxy:
    """Subscribes as an Envoy does. What it has is in `held`; `versions` outlive a connection, as in a real one."""

    def __init__(
        self, port: int, node: str, opinion: Opinion = content, tls: grpc.ChannelCredentials | None = None
    ) -> None:
        self.node, self.opinion, self.tls = node, opinion, tls
        self.target = f"127.0.0.1:{port}"
        self.held: dict[str, dict[str, bytes]] = {kind: {} for kind in PUSH_ORDER}
        self.versions = dict.fromkeys(PUSH_ORDER, "")
        self.heard: list[str] = []
        """The type of every response, in order."""
        self.silent = False
        """While True nothing is answered."""
        self.unanswered: list[discovery_pb2.DiscoveryResponse] = []
        self._speaking = asyncio.Lock()
        self._nonces = dict.fromkeys(PUSH_ORDER, "")

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator["Proxy"]:
        """On a stream while the block lasts."""
        self._nonces = dict.fromkeys(PUSH_ORDER, "")
        async with self.channel() as channel:
            self._call = channel.stream_stream(
                ADS_METHOD,
                request_serializer=discovery_pb2.DiscoveryRequest.SerializeToString,
                response_deserializer=discovery_pb2.DiscoveryResponse.FromString,
            )()
            running = asyncio.create_task(self._run())
            try:
                yield self
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    def channel(self) -> grpc.aio.Channel:
        """A new one to the server."""
        return grpc.aio.secure_channel(self.target, self.tls) if self.tls else grpc.aio.insecure_channel(self.target)

    async def fate(self) -> tuple[grpc.StatusCode, str]:
        """How and with which words the server ended the stream; waits until it does."""
        return await self._call.code(), await self._call.details()

    async def _run(self) -> None:
        resumed = [kind for kind in PUSH_ORDER if self.versions[kind]]
        for kind in dict.fromkeys([CDS, LDS, *resumed]):
            await self._say(kind)
        while (response := await self._call.read()) is not grpc.aio.EOF:
            await self._take(response)

    async def _take(self, response: discovery_pb2.DiscoveryResponse) -> None:
        self.heard.append(response.type_url)
        self._nonces[response.type_url] = response.nonce
        if self.silent:
            self.unanswered.append(response)
        else:
            await self._answer(response)

    async def speak(self) -> None:
        """Answer what was kept from the server, and all that comes."""
        self.silent, late, self.unanswered = False, self.unanswered, []
        for response in late:
            await self._answer(response)

    async def _answer(self, response: discovery_pb2.DiscoveryResponse) -> None:
        kind = response.type_url
        found = {named(kind, any_.value): any_.value for any_ in response.resources}
        words = self.opinion(kind, found)
        if not words:
            self.versions[kind] = response.version_info
            self.held[kind] = found if kind in FOLLOWED_BY else self.held[kind] | found
        await self._say(kind, words)
        if kind in FOLLOWED_BY and not words:
            await self._say(FOLLOWED_BY[kind])

    async def _say(self, kind: str, words: str = "") -> None:
        follows = {after: before for before, after in FOLLOWED_BY.items()}
        request = discovery_pb2.DiscoveryRequest(
            node={"id": self.node}, type_url=kind, version_info=self.versions[kind], response_nonce=self._nonces[kind],
            resource_names=sorted(self.held[follows[kind]]) if kind in follows else [],
        )  # fmt: skip
        if words:
            request.error_detail.CopyFrom(status_pb2.Status(code=13, message=words))
        async with self._speaking:
            await self._call.write(request)


def named(kind: str, body: bytes) -> str:
    """The name of a serialized resource: the first field, whatever the type."""
    assert kind in PUSH_ORDER
    assert body[0] == 0x0A, "field 1, a string"
    return body[2 : 2 + body[1]].decode()


async def turned_away(port: int, node: str, tls: grpc.ChannelCredentials | None = None) -> tuple[grpc.StatusCode, str]:
    """How a proxy is refused; it is given nothing. A server that hangs up while the client still writes may be heard
    as INTERNAL, for the reset can overtake the words: proxies try again, and so does this.
    """
    for _ in range(20):
        async with Proxy(port, node, tls=tls).connected() as proxy:
            code, words = await proxy.fate()
            assert not any(proxy.held.values())
        if code is not grpc.StatusCode.INTERNAL:
            break
    return code, words


@contextlib.asynccontextmanager
async def reporting(port: int) -> AsyncIterator[grpc.aio.StreamStreamCall]:
    """A stream of load reports."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel.stream_stream(
            LRS_METHOD,
            request_serializer=lrs_pb2.LoadStatsRequest.SerializeToString,
            response_deserializer=lrs_pb2.LoadStatsResponse.FromString,
        )()
