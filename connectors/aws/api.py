"""Calls of an AWS service: serialized, signed and parsed by botocore, carried by the one edge of all connectors.

botocore's own client would block, follow redirects and repeat what may have arrived. Its models know every operation.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize
import botocore.session
from pydantic import ValidationError

from connectors.connector import Refused, Unavailable
from connectors.http import Access, Answer, Edge, adapter

KINDS = {"rest-xml": "text/xml"}
"""Content types that serializers leave out, by protocol."""
EVERY_4XX = frozenset(range(400, 500))
BUSY = ("Throttl", "RequestLimitExceeded", "TooManyRequests", "ServiceUnavailable", "InternalServer", "InternalFailure")
RACED = ("PriorRequestNotComplete", "ConflictException", "ConcurrentModification")
"""How the codes begin of errors that pass by themselves."""

Credentials = Callable[[], botocore.credentials.ReadOnlyCredentials]


@dataclass(frozen=True, slots=True)
class AwsAccess:
    """Which AWS, and as whom."""

    region: str
    endpoint: str = ""
    """Instead of the public endpoint of the service."""
    profile: str = ""
    """Of the credential chain (environment, files, container, instance); empty for its default."""
    ca_file: str = ""
    timeout_s: float = 10.0


class Grammar(NamedTuple):
    """What botocore knows of a service."""

    model: botocore.model.ServiceModel
    serializer: Any
    parser: Any


@lru_cache(maxsize=8)
def grammar(service: str) -> Grammar:
    """The models of a service; takes 0.1 s the first time."""
    loader = botocore.loaders.Loader()
    model = botocore.model.ServiceModel(loader.load_service_model(service, "service-2"), service_name=service)
    protocol = model.resolved_protocol
    serializer = botocore.serialize.create_serializer(protocol, include_validation=True)
    return Grammar(model, serializer, botocore.parsers.create_parser(protocol))


@lru_cache(maxsize=64)
def _session(profile: str) -> botocore.session.Session:
    return botocore.session.Session(profile=profile or None)


@dataclass(slots=True)
class AwsApi:
    """One service of AWS. Raises only Unavailable or Refused."""

    service: str
    """As botocore calls it: `route53`, `elbv2`, `vpc-lattice`."""
    access: AwsAccess
    name: str
    """For messages: `eu-west: Route 53`."""
    raced: tuple[str, ...] = ()
    """Words in an error that say that somebody else was faster."""
    _edge: Edge = field(init=False)
    _credentials: botocore.credentials.Credentials | None = field(default=None, init=False, repr=False)
    """The last that signed."""

    def __post_init__(self) -> None:
        self._edge = Edge(Access(self.url, ca_file=self.access.ca_file, timeout_s=self.access.timeout_s), self.name)

    @property
    def url(self) -> str:
        """Where it is."""
        if self.access.endpoint:
            return self.access.endpoint
        return "https://route53.amazonaws.com" if self.service == "route53" else self._regional

    @property
    def _regional(self) -> str:
        prefix = {"elbv2": "elasticloadbalancing"}.get(self.service, self.service)
        return f"https://{prefix}.{self.access.region}.amazonaws.com"

    async def close(self) -> None:
        """Give up the connections."""
        await self._edge.close()

    async def call(self, operation: str, what: str, **parameters: Any) -> dict[str, Any]:
        """The answer of an operation as botocore parses it, about `what`."""
        named = f"{self.name}, {what}"
        given = operation, parameters, named
        request, model = self._signed(*given) if self._at_hand() else await asyncio.to_thread(self._signed, *given)
        parts = urlsplit(request.url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        body = request.body or b""
        headers = {"content-type": KINDS.get(grammar(self.service).model.resolved_protocol, "application/json")}
        for name, value in request.headers.items():
            headers[name.lower()] = value.decode() if isinstance(value, bytes) else str(value)
        headers.pop("content-length", None)
        answer = await self._edge.ask(
            request.method, path, what, body=body.encode() if isinstance(body, str) else bytes(body),
            headers=headers,
            expected=EVERY_4XX,
        )  # fmt: skip
        return self._parsed(answer, model)

    def _at_hand(self) -> bool:
        """Whether a signature waits for nobody: credentials were found, and do not end soon."""
        due = getattr(self._credentials, "refresh_needed", None)
        return self._credentials is not None and not (due is not None and due())

    def _signed(
        self, operation: str, parameters: dict[str, Any], named: str
    ) -> tuple[botocore.awsrequest.AWSPreparedRequest, botocore.model.OperationModel]:
        """A request, signed for now. Credentials may have to be asked for, unless they are `_at_hand`."""
        known = grammar(self.service)
        model = known.model.operation_model(operation)
        try:
            plain = known.serializer.serialize_to_request(parameters, model)
            credentials = _session(self.access.profile).get_credentials()
            if credentials is None:
                raise Refused(f"{named}: no AWS credentials; give them by the environment, a profile or a role")
            request = botocore.awsrequest.AWSRequest(
                method=plain["method"], url=f"{self.url.rstrip('/')}{plain['url_path']}", headers=plain["headers"],
                data=plain["body"], params=plain["query_string"],
            )  # fmt: skip
            scope = known.model.signing_name, "us-east-1" if self.service == "route53" else self.access.region
            self._credentials = credentials
            botocore.auth.SigV4Auth(credentials.get_frozen_credentials(), *scope).add_auth(request)
            return request.prepare(), model
        except botocore.exceptions.ParamValidationError as error:
            raise Refused(f"{named}: {' '.join(str(error).split())[:300]}") from None
        except (botocore.exceptions.BotoCoreError, OSError) as error:
            raise Unavailable(f"{named}: {type(error).__name__}: {error}") from None

    def _parsed(self, answer: Answer, model: botocore.model.OperationModel) -> dict[str, Any]:
        response = {"status_code": answer.status, "headers": answer.headers, "body": answer.body}
        try:
            found: dict[str, Any] = grammar(self.service).parser.parse(response, model.output_shape)
        except Exception as error:
            raise Unavailable(f"{answer.what}: bad answer: {type(error).__name__}: {str(error)[:200]}") from None
        if answer.status >= 400:
            self._object(answer, found.get("Error") or {})
        return found

    def _object(self, answer: Answer, error: dict[str, Any]) -> None:
        code, message = str(error.get("Code", "")), str(error.get("Message", ""))
        said = f"{answer.what}: status {answer.status}: {code}: {' '.join(message.split())[:300] or answer.words}"
        if answer.status == 429 or any(code.startswith(word) for word in BUSY):
            raise Unavailable(said)
        if any(code.startswith(word) for word in RACED) or any(words in message for words in self.raced):
            raise Unavailable(f"{said}; somebody else changed it since it was read")
        raise Refused(said)


def shaped(shape: Any, found: Any, what: str) -> Any:
    """An answer of botocore's parser in a shape of ours; Unavailable where it has another."""
    try:
        return adapter(shape).validate_python(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Unavailable(f"{what}: bad answer: {place}: {first['msg']}") from None
