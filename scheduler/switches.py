"""What people switch while the controller runs: in force at once, and remembered over a restart."""

import structlog

from scheduler.clock import SystemClock
from scheduler.desk import Desk
from scheduler.ledger import Ledger
from scheduler.state import Mode

MODE_SWITCH = "mode"

log = structlog.get_logger()


class Switches:
    """The desk's switches with the clock that wakes the loop and the ledger that remembers."""

    def __init__(self, desk: Desk, clock: SystemClock, ledger: Ledger) -> None:
        self.desk, self.clock, self.ledger = desk, clock, ledger

    async def set_mode(self, mode: Mode, reason: str) -> None:
        """Freeze, stop, or go back to automatic. It holds before the ledger has it: a freeze waits for nothing."""
        self.desk.set_mode(mode)
        self.clock.nudge()
        await self.ledger.set_switch(MODE_SWITCH, str(mode), reason)
        log.warning("mode set", mode=str(mode), reason=reason)

    async def resume(self, reason: str) -> None:
        """Leave SAFE mode and renew the emergency budget: a human has looked."""
        self.desk.resume()
        self.clock.nudge()
        await self.ledger.set_switch("resume", "resume", reason)
        log.warning("resumed", reason=reason)
