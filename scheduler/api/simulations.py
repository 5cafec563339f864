"""What if: the documents in force and the weights that stand, through events, in a virtual world."""

from typing import Annotated

from pydantic import Field

from scheduler.access.role import Role
from scheduler.api.problem import Failure
from scheduler.api.route import Answer, Call, Json, Route, Said, Shown
from scheduler.jobs import Job, Jobs, Question, Wrong

TAG = "simulations"
EventText = Annotated[str, Field(min_length=3, max_length=300, pattern=r"^[a-z][a-z-]*( [A-Za-z]+=[^ =]+)*$")]
PolicyName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,40}$")]


class SimulationAsked(Said):
    """What if."""

    events: Annotated[list[EventText], Field(max_length=20)]
    """Each `fault key=value ...`, as in `equipoise simulate --event`."""
    minutes: Annotated[float, Field(gt=0, le=24 * 60)] = 10.0
    policies: Annotated[list[PolicyName], Field(min_length=1, max_length=8)] = Field(default=["equipoise"])


class SimulationShown(Shown):
    """A run; `result` once it is done."""

    id: str
    phase: str
    progress: float
    events: list[str]
    minutes: float
    policies: list[str]
    by: str
    asked_wall_s: float
    took_s: float
    error: str
    result: Json | None


class SimulationsShown(Shown):
    """Newest first, without results."""

    items: list[SimulationShown]


class EventShown(Shown):
    """A kind of event; `keys` is JSON Schema by key, each with `required`."""

    name: str
    about: str
    keys: Json


class EventsShown(Shown):
    """All kinds; none where the controller has no simulator."""

    items: list[EventShown]


class SimulationsApi:
    """Over the jobs of one controller."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs

    def routes(self) -> list[Route]:
        """What it answers."""
        one, viewer, operator = "/api/v1/simulations/{id}", Role.VIEWER, Role.OPERATOR
        return [
            Route("GET", "/api/v1/simulations", viewer, TAG, "The newest runs", self.listed,
                  answers={200: SimulationsShown}),
            Route("POST", "/api/v1/simulations", operator, TAG, "Begin a run", self.begun, body=SimulationAsked,
                  answers={202: SimulationShown}, problems=(409,), audited=True),
            Route("GET", "/api/v1/events", viewer, TAG, "All that can happen in a run", self.vocabulary,
                  about="Of each event its keys, as JSON Schema.", answers={200: EventsShown}),
            Route("GET", one, viewer, TAG, "A run, with its progress and result", self.shown,
                  answers={200: SimulationShown}, large=True),
            Route("DELETE", one, operator, TAG, "End it", self.ended, answers={200: SimulationShown}, audited=True),
        ]  # fmt: skip

    async def listed(self, _: Call) -> Answer:
        """Without results."""
        newest = reversed(self.jobs.kept.values())
        return Answer({"items": [job_body(job) | {"result": None} for job in newest]})

    async def vocabulary(self, _: Call) -> Answer:
        """As the schema of scenarios has it."""
        return Answer({"items": [{"name": k.name, "about": k.about, "keys": k.schema} for k in self.jobs.events]})

    async def begun(self, call: Call) -> Answer:
        """It runs when those before are over."""
        asked = call.sent(SimulationAsked)
        call.noted = asked.model_dump()
        job = self.begin(Question(tuple(asked.events), asked.minutes, tuple(asked.policies)), call.principal.name)
        return Answer(job_body(job), 202, {"Location": f"/api/v1/simulations/{job.id}"})

    def begin(self, question: Question, by: str) -> Job:
        """Raises Failure."""
        try:
            return self.jobs.begin(question, by)
        except Wrong as wrong:
            raise Failure(409, str(wrong)) from None

    async def shown(self, call: Call) -> Answer:
        """As far as it is."""
        return Answer(job_body(self.one(call.path["id"])))

    async def ended(self, call: Call) -> Answer:
        """Its process ends with it."""
        job = self.one(call.path["id"])
        self.jobs.cancel(job)
        return Answer(job_body(job))

    def one(self, name: str) -> Job:
        """Raises Failure."""
        if name not in self.jobs.kept:
            raise Failure(404, f"no run {name!r} is kept; GET /api/v1/simulations has the newest")
        return self.jobs.kept[name]


def job_body(job: Job) -> Json:
    """As it is shown."""
    return {
        "id": job.id,
        "phase": str(job.phase),
        "progress": round(job.progress, 4),
        "events": list(job.question.events),
        "minutes": job.question.minutes,
        "policies": list(job.question.policies),
        "by": job.by,
        "asked_wall_s": job.asked_wall_s,
        "took_s": round(job.took_s, 3),
        "error": job.error,
        "result": job.result,
    }
