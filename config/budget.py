"""The Budget document: what a team or a service may spend in a month."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.document import Document
from config.fields import Name, Positive, Shape, Text


class BudgetSpec(Shape):
    """Of one team or of one service, in US dollars for a calendar month (UTC)."""

    team: Text | None = None
    """The `team` label of services. Give this or `service`."""
    service: Name | None = None
    """A service. Give this or `team`."""
    usd_per_month: Positive
    """What may be spent."""
    burn_rate_max: Annotated[float, Field(gt=0, le=1_000)] = 1.2
    """Alert when spending of the last day, kept up for a month, would be this many times the budget."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.team is None) == (self.service is None):
            raise ValueError("needs either team or service")
        return self


class Budget(Document):
    """A budget."""

    kind: Literal["Budget"]
    spec: BudgetSpec
