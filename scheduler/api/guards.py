"""The switches of the loop: freeze and go on, and what the guards know."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from pydantic import Field

from scheduler.access.role import Role
from scheduler.api.plan import NOT_YET
from scheduler.api.problem import Failure
from scheduler.api.route import Answer, Call, Json, Route, Said, Shown
from scheduler.board import Board
from scheduler.state import Mode
from scheduler.summary import conduct_summary

TAG = "switches"
Reason = Annotated[str, Field(max_length=1_000, description="For those who find it so.")]
SetMode = Callable[[Mode, str], Awaitable[None]]


class Freeze(Said):
    """How much to stop: `frozen` the optimizer, `stopped` evacuations too."""

    scope: Literal["frozen", "stopped"] = "frozen"
    reason: Reason = ""


class Resume(Said):
    """A human has looked."""

    reason: Reason = ""


class ModeShown(Shown):
    """What the loop may do on its own."""

    mode: str


class Resumed(Shown):
    """It goes on."""

    resumed: bool


class Aged(Shown):
    """A failure domain that was evacuated."""

    domain: str
    age_s: float


class Guards(Shown):
    """What bounds the next move."""

    format_version: int
    safe: list[str]
    safe_for_s: float | None
    moved_last_minute: float
    oscillating: list[str]
    reversals_last_hour: int
    rollout: Json | str | None
    on_trial_for_s: float | None
    known_good: int
    rollbacks: int
    evacuated: list[Aged]
    waits_for_a_human: list[str]


class GuardsApi:
    """`wanted` says the mode that people asked for, which a drill may cover."""

    def __init__(
        self, board: Board, set_mode: SetMode, resume: Callable[[str], Awaitable[None]], wanted: Callable[[], Mode]
    ) -> None:
        self.board, self.set_mode, self.resume, self.wanted = board, set_mode, resume, wanted

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("GET", "/api/v1/guards", Role.VIEWER, TAG, "What bounds the next move", self.guards,
                  answers={200: Guards}),
            Route("GET", "/api/v1/freeze", Role.VIEWER, TAG, "Which mode people asked for", self.mode,
                  answers={200: ModeShown}, etag=True),
            Route("POST", "/api/v1/freeze", Role.OPERATOR, TAG, "Stop the optimizer, or everything", self.freeze,
                  body=Freeze, body_needed=False, answers={200: ModeShown}, if_match=True, audited=True),
            Route("DELETE", "/api/v1/freeze", Role.OPERATOR, TAG, "Back to automatic", self.unfreeze,
                  answers={200: ModeShown}, if_match=True, audited=True),
            Route("POST", "/api/v1/resume", Role.ADMIN, TAG,
                  "Leave SAFE mode and renew the emergency budget: a human has looked", self.go_on, body=Resume,
                  body_needed=False, answers={200: Resumed}, audited=True),
        ]  # fmt: skip

    async def guards(self, _: Call) -> Answer:
        """SAFE mode and its reasons, what was moved lately, what is known good, what waits for a human."""
        state, turn = self.board.state, self.board.turn
        if state is None or turn is None:
            raise Failure(503, NOT_YET, "No plan yet")
        return Answer(conduct_summary(state.conduct, state.fleet, turn.at_s))

    async def mode(self, _: Call) -> Answer:
        """With the ETag to send when it is changed."""
        return self._shown()

    async def freeze(self, call: Call) -> Answer:
        """In force before anything is written down: a freeze waits for nothing."""
        body = call.sent(Freeze)
        call.match(self._etag())
        call.noted = {"scope": body.scope, "reason": body.reason}
        await self.set_mode(Mode(body.scope), body.reason)
        return self._shown()

    async def unfreeze(self, call: Call) -> Answer:
        """The optimizer works again."""
        call.match(self._etag())
        await self.set_mode(Mode.AUTO, "")
        return self._shown()

    async def go_on(self, call: Call) -> Answer:
        """At the next tick."""
        call.noted = {"reason": call.sent(Resume).reason}
        await self.resume(call.sent(Resume).reason)
        return Answer(Resumed(resumed=True))

    def _etag(self) -> str:
        return f'"{self.wanted()}"'

    def _shown(self) -> Answer:
        return Answer(ModeShown(mode=str(self.wanted())), etag=self._etag())
