"""The resources of one origin as files that an Envoy watches: the same as over a stream, with paths for sources.

    lds.json  cds.json  rds-<name>.json  eds-<name>.json      DiscoveryResponses; each version is that of its content

Envoy takes exactly one route configuration and one assignment from a file, so each has its own. It notices a file when
another is moved into its place, and not when it is written to.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import config_source_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from google.protobuf import any_pb2, json_format

from connectors.xds import names
from connectors.xds.resources import CDS, EDS, LDS, NOTHING, RDS, Resources

LISTENERS, UPSTREAMS = "lds.json", "cds.json"


def files_of(resources: Resources, folder: str) -> dict[str, str]:
    """Text by file name, in the order in which to put them there: what is referred to before what refers to it."""
    found = {f"eds-{safe(name)}.json": _response([_any(r.body)]) for name, r in sorted(resources[EDS].items())}
    upstreams = [_upstream(_any(r.body), folder) for _, r in sorted(resources[CDS].items())]
    found[UPSTREAMS] = _response(upstreams)
    listening = [r for r in resources[LDS].values() if r.listed]
    wanted = {name for listener in listening for name in listener.refers}
    for name, routes in sorted(resources[RDS].items()):
        if name in wanted:
            found[f"rds-{safe(name)}.json"] = _response([_any(routes.body)])
    found[LISTENERS] = _response([_listener(_any(r.body), folder) for r in listening])
    return found


def safe(name: str) -> str:
    """A name as a part of a file's name."""
    return quote(name, safe="")


def version_in(text: str) -> str:
    """The version of a file; ValueError or KeyError where it is none of ours."""
    return str(json.loads(text)["version_info"])


def readout(file: str) -> str:
    """What Envoy's statistics call the version that it took last from a file, in text."""
    kind, _, name = file.removesuffix(".json").partition("-")
    named = {"lds": "listener_manager.lds", "cds": "cluster_manager.cds"}
    return f"{named.get(kind) or _scope(kind, name)}.version_text"


def _scope(kind: str, name: str) -> str:
    plain = _plain(name)
    return f"http.outbound.rds.{plain}" if kind == "rds" else f"cluster.{plain}"


def _plain(name: str) -> str:
    return name.replace("%2F", "/").replace("%7C", "|").replace("%3A", "_")


def folder_bootstrap(node: str, cluster: str, folder: str, admin_port: int) -> dict[str, Any]:
    """An Envoy that takes everything from a folder. The admin interface, which we read back from, is on loopback."""
    admin = {"socket_address": {"address": "127.0.0.1", "port_value": admin_port}}
    return {
        "node": {"id": node, "cluster": cluster},
        "admin": {"address": admin},
        "dynamic_resources": {
            "lds_config": {"path_config_source": {"path": str(Path(folder) / LISTENERS)}, "resource_api_version": "V3"},
            "cds_config": {"path_config_source": {"path": str(Path(folder) / UPSTREAMS)}, "resource_api_version": "V3"},
        },
    }


def _response(resources: list[any_pb2.Any]) -> str:
    """As JSON, whose version follows from the content."""
    shown: list[Mapping[str, Any]] = [
        json_format.MessageToDict(resource, preserving_proto_field_name=True) for resource in resources
    ]
    texts = [json.dumps(resource, sort_keys=True) for resource in shown]
    version = hashlib.sha256(f"[{', '.join(texts)}]".encode()).hexdigest()[:16]
    # A line for each resource, for people; with an indent the encoder of the standard library is ten times slower.
    lines = ",\n".join(texts)
    return f'{{"version_info": "{version}", "resources": [\n{lines}\n]}}\n'


def _any(body: bytes) -> any_pb2.Any:
    return any_pb2.Any.FromString(body)


def _from(folder: str, file: str) -> config_source_pb2.ConfigSource:
    source = config_source_pb2.ConfigSource(resource_api_version=2)
    source.path_config_source.path = str(Path(folder) / file)
    return source


def _upstream(packed: any_pb2.Any, folder: str) -> any_pb2.Any:
    message = cluster_pb2.Cluster()
    packed.Unpack(message)
    message.ClearField("lrs_server")  # load reports go over the stream that files do not have
    message.eds_cluster_config.eds_config.CopyFrom(_from(folder, f"eds-{safe(message.name)}.json"))
    return _packed(message)


def _listener(packed: any_pb2.Any, folder: str) -> any_pb2.Any:
    message = listener_pb2.Listener()
    packed.Unpack(message)
    entry = message.filter_chains[0].filters[0]
    manager = http_connection_manager_pb2.HttpConnectionManager()
    entry.typed_config.Unpack(manager)
    manager.rds.config_source.CopyFrom(_from(folder, f"rds-{safe(names.OUTBOUND)}.json"))
    entry.typed_config.CopyFrom(_packed(manager))
    return _packed(message)


def _packed(message: Any) -> any_pb2.Any:
    found = any_pb2.Any()
    found.Pack(message, deterministic=True)
    return found


EMPTY = files_of(NOTHING, "")
"""What Envoy starts with: it refuses to watch what is not there."""
