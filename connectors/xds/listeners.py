"""LDS: one listener for the Envoys of an origin, and one by the name of each service for proxyless gRPC clients."""

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from google.protobuf import any_pb2

from connectors.xds import names
from connectors.xds.resources import Resource, resource
from connectors.xds.spec import Address
from connectors.xds.upstreams import ADS
from placement.fleet import ServiceId

UPSTREAM_LOG_LINE = "%START_TIME(%s.%6f)% %UPSTREAM_HOST% %REQ(:AUTHORITY)% %RESPONSE_CODE% %RESPONSE_FLAGS%\n"
"""`<seconds when the request came> <ip:port> <service> <code> <flags>`, `-` for what is not there."""


def outbound(address: Address, upstream_log_path: str | None) -> Resource:
    """The listener of an Envoy: the Host of a request picks the service.

    Envoy keeps log lines for up to 10 s unless it is started with `--file-flush-interval-msec`.
    """
    router = router_pb2.Router()
    if upstream_log_path:
        router.upstream_log.append(_log(upstream_log_path))
    message = listener_pb2.Listener(name=names.OUTBOUND)
    message.address.socket_address.address, message.address.socket_address.port_value = address
    entry = message.filter_chains.add().filters.add(name="envoy.filters.network.http_connection_manager")
    entry.typed_config.CopyFrom(_manager(names.OUTBOUND, router))
    return resource(message, names.OUTBOUND, refers=[names.OUTBOUND])


def proxyless(service: ServiceId) -> Resource:
    """The listener that a client asks for when it opens a channel to `xds:///<service>`."""
    message = listener_pb2.Listener(name=service)
    message.api_listener.api_listener.CopyFrom(_manager(service, router_pb2.Router()))
    return resource(message, service, refers=[service], listed=False)


def _manager(routes: str, router: router_pb2.Router) -> any_pb2.Any:
    manager = http_connection_manager_pb2.HttpConnectionManager(stat_prefix="outbound")
    manager.rds.route_config_name = routes
    manager.rds.config_source.CopyFrom(ADS)
    manager.http_filters.add(name="envoy.filters.http.router").typed_config.Pack(router, deterministic=True)
    packed = any_pb2.Any()
    packed.Pack(manager, deterministic=True)
    return packed


def _log(path: str) -> accesslog_pb2.AccessLog:
    target = file_pb2.FileAccessLog(path=path)
    target.log_format.text_format_source.inline_string = UPSTREAM_LOG_LINE
    log = accesslog_pb2.AccessLog(name="envoy.access_loggers.file")
    log.typed_config.Pack(target, deterministic=True)
    return log
