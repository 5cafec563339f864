"""What a running controller keeps of cost: the usage of its turns, and the budgets that they are spent on."""

from collections.abc import Coroutine
from typing import Any

from config.configuration import Configuration as Documents
from scheduler.api.budgets import Budgets
from scheduler.ledger import Ledger
from scheduler.usage_keeper import UsageKeeper


class CostService:
    """Made once per controller; `apply` follows the documents."""

    def __init__(self, ledger: Ledger, documents: Documents) -> None:
        self.usage = UsageKeeper(ledger)
        self.budgets = Budgets(self.usage.ledger, documents)

    def apply(self, documents: Documents) -> None:
        """Follow new documents."""
        self.budgets.documents = documents

    def works(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs in the background."""
        return self.usage.run(), self.budgets.run()

    async def close(self) -> None:
        """Keep what was metered so far."""
        await self.usage.close()
