"""Roles, and who somebody turned out to be."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What one may do. Who has none may do nothing."""

    VIEWER = "viewer"
    """Look at everything but the audit."""
    OPERATOR = "operator"
    """And freeze, override, roll back, drill, simulate, read the audit."""
    ADMIN = "admin"
    """And leave SAFE mode, verify the ledger, see who has access."""
    AGENT = "agent"
    """Send telemetry and evidence of probes, and nothing else."""


HELD = {
    Role.VIEWER: frozenset({Role.VIEWER}),
    Role.OPERATOR: frozenset({Role.VIEWER, Role.OPERATOR}),
    Role.ADMIN: frozenset({Role.VIEWER, Role.OPERATOR, Role.ADMIN}),
    Role.AGENT: frozenset({Role.AGENT}),
}
"""What each role may do besides its own. A person is no agent, whatever the person may do."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who was recognised."""

    name: str
    role: Role | None
    """The highest; None for who is known and may do nothing."""
    how: str
    """`token`, `certificate`, `oidc`, `vantage`, `local`: for the audit."""

    def may(self, role: Role) -> bool:
        """Whether a role's work is theirs."""
        return self.how == "local" or (self.role is not None and role in HELD[self.role])


LOCAL = Principal("local", Role.ADMIN, "local")
"""Everybody on this machine, where nobody has to show anything."""


def highest(roles: set[Role]) -> Role | None:
    """The one that may do most."""
    return next((role for role in (Role.ADMIN, Role.OPERATOR, Role.VIEWER, Role.AGENT) if role in roles), None)
