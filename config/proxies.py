"""Parts of a mesh: proxies on machines that are steered by files, or by an API beside them."""

from typing import Annotated

from pydantic import Field

from config.apis import ApiAccess, Secret
from config.fields import Address, Many, Shape, Text, Word

Retries = Annotated[int, Field(ge=0, le=10)]


class NginxMesh(Shape):
    """An NGINX on this machine. `equipoise bootstrap` prints the file that it includes, as it is before any table."""

    file: Text
    """The file that we write; nginx.conf includes it within `http`."""
    listener: Address
    """Where it takes the requests of this origin."""
    status: Address
    """Where it tells which file it runs with; on loopback."""
    program: Many[Text] = ("nginx",)
    """How NGINX is called, with -c and -p where it needs them; `-t` and `-s reload` are added."""
    retries: Retries = 1
    """How often it tries again, elsewhere if it can."""
    workers_max: Annotated[int, Field(ge=1, le=1_000)] = 8
    """With more workers than that still busy from before earlier reloads, nothing is reloaded."""


class NginxPlusMesh(Shape):
    """An NGINX Plus by its API. Upstreams have the names of services, and a zone."""

    api: ApiAccess
    """Its API."""
    keyval_zone: Word = "equipoise"
    """The key-value zone that keeps what was written."""
    user: Word | None = None
    """For HTTP Basic, with password."""
    password: Secret | None = None
    """Where the password is."""


class DataPlaneMesh(Shape):
    """An HAProxy by its Data Plane API (v3). Backends, servers and map are those that `equipoise bootstrap` prints."""

    api: ApiAccess
    """Its API."""
    map: Word
    """The map that keeps what was written, a path on the HAProxy's machine as its configuration has it."""
    listener: Address
    """Where it takes the requests of this origin."""
    user: Word
    """For HTTP Basic."""
    password: Secret
    """Where the password is."""
    standbys: Annotated[int, Field(ge=0, le=16)] = 4
    """Servers of each backend that stand ready to be given the address of a standby."""


class EnvoyFilesMesh(Shape):
    """An Envoy on this machine that watches a folder. `equipoise bootstrap` prints its bootstrap."""

    folder: Text
    """The folder that we write and it watches."""
    admin: Address
    """Its admin interface, on loopback."""
    listener: Address
    """Where it takes the requests of this origin."""
    retries: Retries = 1
    """How often it tries again, elsewhere if it can."""
    outlier_detection: bool = False
    """Whether it puts aside single endpoints that keep failing."""
