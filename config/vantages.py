"""Vantages: places besides the controller that probe, and how they join it."""

from typing import Annotated

from pydantic import Field

from config.fields import Address, Name, Shape, Text


class Vantage(Shape):
    """A place that probes and reports, started there with `equipoise vantage --join URL`."""

    name: Name
    """For messages and metrics."""
    token_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256, in hexadecimal, of the token that it shows; `equipoise vantage --hash` prints it. Not the token."""


class VantageListener(Shape):
    """Where vantages and agents on other machines report. Nothing else is served there."""

    address: Address
    """host:port."""
    certificate_file: Text
    """PEM file with the certificate that is shown to them."""
    key_file: Text
    """PEM file with its key."""
    client_ca_file: Text | None = None
    """PEM file with the authorities of their certificates, which they then have to show. Omitted: tokens alone."""
