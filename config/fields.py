"""The kinds of values that documents are made of: names, amounts, durations, addresses."""

from datetime import date
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

AMOUNT_MAX = 1e12
DAY_SECONDS = 86_400

NAME_PATTERN = r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$"
LABEL_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"
REGION_PATTERN = r"^(\*|[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)$"
ADDRESS_PATTERN = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?):[0-9]{1,5}$"
WORD_PATTERN = r"^[\x21-\x7e]+$"
URL_PATTERN = r"^[a-z][a-z0-9+.-]*://[\x21-\x7e]+$"
NAMING_PATTERN = r"^([a-z0-9.-]|\{service\}|\{cluster\})+$"
HTTP_URL_PATTERN = r"^https?://[\x21-\x7e]+$"

PATTERN_WORDS = {
    NAME_PATTERN: "must be 1 to 63 lower-case letters, digits, '-' or '.', with a letter or digit at both ends",
    LABEL_PATTERN: "must be 1 to 63 letters, digits, '-', '_' or '.', with a letter or digit at both ends",
    REGION_PATTERN: 'must be a region or "*"',
    ADDRESS_PATTERN: 'must be host:port, such as "10.0.0.1:8080" or "[::1]:8080"',
    WORD_PATTERN: "must be visible ASCII characters without a blank",
    URL_PATTERN: 'must be a URL, such as "sqlite:///equipoise.db"',
    NAMING_PATTERN: 'must be a name with {service} and {cluster} in it, such as "{service}-{cluster}"',
    HTTP_URL_PATTERN: 'must be a URL, such as "http://prometheus:9090"',
}
"""What each pattern asks for, in words: for messages."""


class Shape(BaseModel):
    """A part of a document: its keys are the fields in camelCase, and no others."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, alias_generator=to_camel, use_attribute_docstrings=True
    )


def _day(value: Any) -> date:
    if not isinstance(value, str):
        raise ValueError("must be a day as YYYY-MM-DD")  # noqa: TRY004  pydantic collects ValueError only
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("must be a day as YYYY-MM-DD") from None


def _port_in_range(address: str) -> str:
    port = int(address.rpartition(":")[2])
    if not 0 < port < 65_536:
        raise ValueError(f"port {port} is not within 1 to 65535")
    return address


def _without_password(url: str) -> str:
    """Documents are kept in version control and printed by `validate`, so a secret has no place in them."""
    try:
        password = urlsplit(url).password
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    if password is not None:
        raise ValueError("holds a password; leave it out and give it by the environment (PGPASSWORD, ~/.netrc)")
    return url


Item = TypeVar("Item")
Many = Annotated[tuple[Item, ...], Field(strict=False)]
"""A list. (A strict tuple takes no list.)"""

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Label = Annotated[str, Field(pattern=LABEL_PATTERN)]
Region = Annotated[str, Field(pattern=REGION_PATTERN)]
Word = Annotated[str, Field(pattern=WORD_PATTERN, max_length=1_000)]
Text = Annotated[str, Field(min_length=1, max_length=1_000)]
Day = Annotated[date, BeforeValidator(_day)]

Amount = Annotated[float, Field(ge=0, le=AMOUNT_MAX, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=AMOUNT_MAX, allow_inf_nan=False)]
Ratio = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
PositiveRatio = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
PositiveCount = Annotated[int, Field(ge=1, le=1_000_000)]
Seconds = Annotated[float, Field(gt=0, le=DAY_SECONDS, allow_inf_nan=False)]
Pause = Annotated[float, Field(ge=0, le=DAY_SECONDS, allow_inf_nan=False)]
"""Seconds; 0 for none."""
Milliseconds = Annotated[float, Field(gt=0, le=1_000 * DAY_SECONDS, allow_inf_nan=False)]

Address = Annotated[str, Field(pattern=ADDRESS_PATTERN), AfterValidator(_port_in_range)]
Url = Annotated[str, Field(pattern=URL_PATTERN, max_length=1_000), AfterValidator(_without_password)]
HttpUrl = Annotated[str, Field(pattern=HTTP_URL_PATTERN, max_length=1_000), AfterValidator(_without_password)]
