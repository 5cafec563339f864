"""The network edge: aggregated discovery and load reports over gRPC, for proxies that say who they are."""

import asyncio
import contextlib
import functools
import ipaddress
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
import grpc.aio
import structlog
from envoy.service.discovery.v3 import discovery_pb2
from envoy.service.load_stats.v3 import lrs_pb2

from connectors.xds.credentials import TlsFiles, credentials, subjects_of
from connectors.xds.load import LoadReports
from connectors.xds.publication import Publication, Session
from connectors.xds.stream import Request, Response

STREAMS_MAX = 4_096
"""Most discovery streams, and most load-report streams, at one time; more are turned away."""
KEEPALIVE_S = 5
"""A proxy that does not answer a ping within this time is gone, so that no write waits for it."""
log = structlog.get_logger()
_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", KEEPALIVE_S * 1_000),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_S * 1_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Proxies ping a quiet stream to learn of a dead controller; by default a server hangs up on them for it.
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
)


@dataclass(frozen=True, slots=True)
class Tenant:
    """One origin on the server."""

    owns: Callable[[str], bool]
    """Whether a node id is one of its proxies."""
    trusts: Callable[[frozenset[str]], bool]
    """Whether a certificate with these names is good for them."""
    publication: Publication
    reports: LoadReports | None
    """None where load reports are not wanted."""


class XdsServer:
    """Serves each proxy the resources of its own origin, and nothing to one that belongs to none.

    With `tls` proxies show a certificate, which has to be good for their origin; one that no longer is ends its stream.
    Must be made and used on one event loop. `start` binds, `stop` ends every stream; a stopped server may start again.
    """

    def __init__(self, streams_max: int = STREAMS_MAX, tls: TlsFiles | None = None) -> None:
        self._streams_max, self.tls = streams_max, tls
        self._streams_open = {"ads": 0, "lrs": 0}
        self._shown: dict[asyncio.Task[Any] | None, tuple[str, frozenset[str]]] = {}
        self._revoked: set[asyncio.Task[Any] | None] = set()
        self._tenants: dict[str, Tenant] = {}
        self._server: grpc.aio.Server | None = None

    def admit(self, origin: str, tenant: Tenant) -> None:
        """Serve one more origin, or the same one anew."""
        self._tenants[origin] = tenant

    def dismiss(self, origin: str) -> None:
        """Turn away its proxies from now on; those that are connected keep their streams until they end."""
        self._tenants.pop(origin, None)

    def review(self) -> None:
        """End the streams of proxies whose certificate is no longer good for their node."""
        for task, (node_id, shown) in self._shown.items():
            tenant = self._tenant_of(node_id)
            if task is not None and tenant is not None and not tenant.trusts(shown):
                self._revoked.add(task)
                task.cancel()

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which differs from the given one where that is 0.

        Raises ValueError for an address beyond this machine without TLS, and OSError when it is taken or the files of
        TLS cannot be used.
        """
        if self.tls is None and not _is_loopback(host):
            raise ValueError(
                f"xDS on {host}:{port} would be open to the network; bind a loopback address, or give server.xdsTls"
            )
        _keep_poller()
        server = grpc.aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers((_discovery_handler(self._discover), _load_handler(self._take_load)))
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound = int(
                server.add_secure_port(address, credentials(self.tls))
                if self.tls
                else server.add_insecure_port(address)
            )
        except RuntimeError as error:
            raise OSError(f"xDS cannot listen on {host}:{port}: {error}") from error
        await server.start()
        self._server = server
        return bound

    async def stop(self) -> None:
        """End every stream and free the port. Proxies keep what they have."""
        if self._server:
            await self._server.stop(0)
            self._server = None

    async def _discover(self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext) -> None:
        async with self._counted("ads", context):
            first = await anext(aiter(requests), None)
            if first is None:
                return
            tenant = await self._admitted(first.node.id, context)
            session = Session(first.node.id)
            tenant.publication.join(session)
            sending = asyncio.create_task(_send(tenant.publication, session, context))
            try:
                tenant.publication.hear(session, _request(first))
                async for message in requests:
                    tenant.publication.hear(session, _request(message))
            finally:
                sending.cancel()
                tenant.publication.leave(session)

    async def _take_load(self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext) -> None:
        async with self._counted("lrs", context):
            first = await anext(aiter(requests), None)
            if first is None:
                return
            reports = (await self._admitted(first.node.id, context)).reports
            if reports is None:
                await _abort(context, grpc.StatusCode.UNIMPLEMENTED, f"no load reports are wanted of {first.node.id}")
            wish = lrs_pb2.LoadStatsResponse(send_all_clusters=True)
            wish.load_reporting_interval.FromMilliseconds(round(reports.interval_s * 1e3))
            await context.write(wish)
            stream = object()
            reports.take(stream, first)
            async for message in requests:
                reports.take(stream, message)

    def _tenant_of(self, node_id: str) -> Tenant | None:
        return next((tenant for tenant in self._tenants.values() if tenant.owns(node_id)), None)

    async def _admitted(self, node_id: str, context: grpc.aio.ServicerContext) -> Tenant:
        """The origin of a proxy that may be served."""
        tenant = self._tenant_of(node_id)
        if tenant is None:
            return await _abort(
                context, grpc.StatusCode.PERMISSION_DENIED,
                f"node id {node_id!r} belongs to no origin; "
                "set node.id to an origin's node name, or <node name>/<proxy>",
            )  # fmt: skip
        if self.tls is not None:
            shown = subjects_of(context)
            if not tenant.trusts(shown):
                words = f"a certificate of {', '.join(sorted(shown)) or 'nobody'} is not good for node id {node_id!r}"
                log.warning("proxy turned away", detail=words)
                await _abort(context, grpc.StatusCode.PERMISSION_DENIED, f"{words}; see mesh.xds.subjects")
            self._shown[asyncio.current_task()] = node_id, shown
        return tenant

    @contextlib.asynccontextmanager
    async def _counted(self, kind: str, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
        if self._streams_open[kind] >= self._streams_max:
            await _abort(
                context, grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{self._streams_open[kind]} {kind} streams are open and {self._streams_max} is the limit",
            )  # fmt: skip
        self._streams_open[kind] += 1
        task = asyncio.current_task()
        try:
            yield
        except asyncio.CancelledError:
            if task not in self._revoked:
                raise
            words = "the certificate is no longer good for this node id"
            await _abort(context, grpc.StatusCode.PERMISSION_DENIED, words)
        finally:
            self._streams_open[kind] -= 1
            self._shown.pop(task, None)
            self._revoked.discard(task)


@functools.cache
def _keep_poller() -> None:
    """grpc.aio stops its poller when its last channel or server is collected, and joins its thread right there, in the
    middle of whatever was running; with a call not quite done that join never ends. This keeps the poller for good.
    """
    grpc.aio.init_grpc_aio()


async def _send(publication: Publication, session: Session, context: grpc.aio.ServicerContext) -> None:
    while True:
        await session.wake.wait()
        session.wake.clear()
        for response in publication.take_due(session):
            await context.write(_message(response))


async def _abort(context: grpc.aio.ServicerContext, code: grpc.StatusCode, words: str) -> NoReturn:
    await context.abort(code, words)
    raise AssertionError("abort raises")


def _request(message: Any) -> Request:
    return Request(
        kind=message.type_url,
        names=frozenset(message.resource_names),
        version=message.version_info,
        nonce=message.response_nonce,
        error=message.error_detail.message if message.HasField("error_detail") else None,
    )


def _message(response: Response) -> Any:
    message = discovery_pb2.DiscoveryResponse(
        type_url=response.kind, version_info=response.version, nonce=response.nonce
    )
    for body in response.bodies:
        message.resources.add().MergeFromString(body)
    return message


def _discovery_handler(serve: Any) -> grpc.GenericRpcHandler:
    method = grpc.stream_stream_rpc_method_handler(
        serve,
        request_deserializer=discovery_pb2.DiscoveryRequest.FromString,
        response_serializer=discovery_pb2.DiscoveryResponse.SerializeToString,
    )
    service = "envoy.service.discovery.v3.AggregatedDiscoveryService"
    return grpc.method_handlers_generic_handler(service, {"StreamAggregatedResources": method})


def _load_handler(serve: Any) -> grpc.GenericRpcHandler:
    method = grpc.stream_stream_rpc_method_handler(
        serve,
        request_deserializer=lrs_pb2.LoadStatsRequest.FromString,
        response_serializer=lrs_pb2.LoadStatsResponse.SerializeToString,
    )
    service = "envoy.service.load_stats.v3.LoadReportingService"
    return grpc.method_handlers_generic_handler(service, {"StreamLoadStats": method})


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
