"""How a mesh's API is reached, and how secrets are named: never written down in a document."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from config.fields import HttpUrl, Seconds, Shape, Text, Word


class Secret(Shape):
    """Where a secret is. Exactly one of these."""

    env: Word | None = None
    """The environment variable that holds it."""
    file: Text | None = None
    """The file that holds it, on this machine; read anew for every request, so it may be renewed."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("needs either env (the name of a variable) or file (a path); never the secret itself")
        return self


class ApiAccess(Shape):
    """An HTTP API."""

    url: HttpUrl
    """Its address, with the path that everything begins with."""
    ca_file: Text | None = None
    """Authorities to trust instead of the system's."""
    certificate_file: Text | None = None
    """A client certificate, with keyFile."""
    key_file: Text | None = None
    """Its key."""
    timeout_seconds: Seconds = 10.0
    """How long to wait for an answer."""

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if self.key_file and not self.certificate_file:
            raise ValueError("keyFile belongs to certificateFile, which is missing")
        return self


class AwsAccount(Shape):
    """AWS, and as whom: by its own chain of environment, profile, container and instance."""

    region: Word
    """Such as eu-west-1."""
    profile: Word | None = None
    """A profile of ~/.aws. Omitted: the default of the chain."""
    endpoint: HttpUrl | None = None
    """Instead of the public endpoint, such as one within a VPC."""
    ca_file: Text | None = None
    """Authorities to trust instead of the system's."""
    timeout_seconds: Seconds = 10.0
    """How long to wait for an answer."""


Ttl = Annotated[int, Field(ge=1, le=86_400)]
