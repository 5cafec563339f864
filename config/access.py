"""The part of a Policy that says who may use the API and the xDS server, and how they show who they are."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.fields import Address, Day, Many, Name, Pause, Positive, Shape, Text, Url

RoleName = Literal["viewer", "operator", "admin", "agent"]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class AccessToken(Shape):
    """A bearer token, known by its hash alone."""

    name: Name
    """Who shows it: for the audit."""
    role: RoleName
    """What it may do."""
    sha256: Sha256
    """SHA-256 of the token in hexadecimal; `equipoise token create` prints both. Not the token."""
    expires: Day | None = None
    """First day, in UTC, on which it is worth nothing. Omitted: never."""


class ClientCertificate(Shape):
    """A client certificate by its subject."""

    subject: Text
    """The common name, a DNS name or a URI (such as a SPIFFE ID) of the certificate."""
    name: Name
    """Who shows it: for the audit."""
    role: RoleName
    """What it may do."""


class Oidc(Shape):
    """Tokens (JWT) of an identity provider."""

    issuer: Url
    """As its tokens say in `iss`."""
    audience: Text
    """As its tokens have to say in `aud`."""
    jwks_url: Url | None = None
    """Where its keys are. Omitted: as its discovery document says."""
    algorithms: Many[Algorithm] = ("RS256", "ES256")
    """What may sign; nothing else is even looked at."""
    roles_claim: Text = "roles"
    """The claim with the user's groups or roles, a list or words."""
    roles: dict[str, RoleName]
    """Value of that claim -> role. Who has none of them may do nothing."""
    leeway_seconds: Pause = 30.0
    """How far its clock may be from ours."""
    ca_file: Text | None = None
    """PEM file to trust it by. Omitted: what the system trusts."""


class Rates(Shape):
    """Most requests of one caller; more are answered 429."""

    per_second: Positive = 200.0
    """Of a person or program."""
    agents_per_second: Positive = 2_000.0
    """Of an agent, which sends telemetry."""
    failures_per_second: Positive = 5.0
    """Of one address that shows what nobody knows."""
    burst_seconds: Positive = 2.0
    """That much of it may come at once."""


class Access(Shape):
    """Who may do what. Without tokens, certificates and OIDC the API serves this machine alone, and trusts it."""

    tokens: Many[AccessToken] = ()
    """Bearer tokens."""
    certificates: Many[ClientCertificate] = ()
    """Client certificates, where TLS asks for them."""
    oidc: Oidc | None = None
    """An identity provider. Omitted: none."""
    rates: Rates = Rates()
    """How much one caller may ask."""

    @property
    def open(self) -> bool:
        """Whether nobody has to show anything."""
        return not (self.tokens or self.certificates or self.oidc)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        for what, shown in (("name", [t.name for t in self.tokens]), ("sha256", [t.sha256 for t in self.tokens])):
            if len(set(shown)) < len(shown):
                raise ValueError(f"two tokens have the same {what}")
        return self


class Tls(Shape):
    """TLS of the API."""

    certificate_file: Text
    """PEM file with the certificate that is shown."""
    key_file: Text
    """PEM file with its key."""
    client_ca_file: Text | None = None
    """PEM file with the authorities of client certificates. Omitted: none is asked for."""


class ProxyTls(Shape):
    """What `equipoise bootstrap` tells the proxies: where the controller is for them, and files on their machines."""

    address: Address
    """host:port where they reach `xds`. The certificate there has to name the host."""
    ca_file: Text
    """PEM file with the authority of our certificate."""
    certificate_file: Text
    """PEM file with the certificate that they show."""
    key_file: Text
    """PEM file with its key."""


class XdsTls(Shape):
    """Mutual TLS of the xDS server. Each proxy shows a certificate that is good for its node."""

    certificate_file: Text
    """PEM file with the certificate that is shown to proxies. Read anew when it changes, as the others are."""
    key_file: Text
    """PEM file with its key."""
    client_ca_file: Text
    """PEM file with the authorities of the proxies' certificates."""
    proxies: ProxyTls
    """What goes into their configuration."""
