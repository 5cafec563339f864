"""The services of the fleet: web front ends that call an API, APIs of their own, and language models.

What a model's request is like comes of the Azure LLM inference trace (conversation and code): its tokens make the time
it takes and its bytes, its minutes the headroom it needs. Sizes, prices of latency and popularity are assumed; drawn
with a seed.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.realfleet.places import rows
from placement.columns import Bools, Floats, Ints

WEB, API, MODELS = 12, 22, 14
"""How many of each kind; the first WEB APIs are called by the web service of the same number, and by nobody else."""
CALLS = 2.0
PROMPT_MS, OUTPUT_MS, SLOTS = 0.15, 25.0, 16
"""Per token on an A100, and how many requests one works on at once."""
SPEED = {"l4": 0.25, "a100": 1.0, "h100": 2.0}
TOKEN_BYTES = 4.0
TOTAL_RPS = {"web": 40_000.0, "api": 20_000.0, "llm": 500.0}
VALUE_USD = {"web": 3e-8, "api": 1e-8, "llm": 1e-7}
"""Of a millisecond less for one request, at the highest tier."""
FENCED = 9
"""Every so-manieth service stays in the European Union."""


@dataclass(frozen=True, slots=True)
class Model:
    """A request to a language model, on average, and how its minutes differ."""

    prompt_tokens: float
    output_tokens: float
    headroom: float
    """Mean over 95th percentile of requests a minute."""

    def service_ms(self, gpu: str) -> float:
        """Time that one request takes."""
        return (PROMPT_MS * self.prompt_tokens + OUTPUT_MS * self.output_tokens) / SPEED[gpu]

    def rps(self, gpu: str) -> float:
        """Requests/s of one GPU."""
        return SLOTS / (self.service_ms(gpu) / 1000)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """(S,) each. S = web, then APIs, then models."""

    kind: tuple[str, ...]
    mean_rps: Floats
    """From users, over a day; 0 for an API that only web calls."""
    priority: Floats
    value_usd: Floats
    """$/(request ms)."""
    request_bytes: Floats
    response_bytes: Floats
    headroom: Floats
    """Planned utilization."""
    replica_rps: Floats
    """On general nodes; 0 for a model."""
    model: tuple[Model | None, ...]
    fenced: Ints
    caller: Ints
    """The web service that calls it, -1 for none."""


def traced(data: Path) -> tuple[Model, Model]:
    """Conversation and code, from the trace."""
    found = []
    for name in ("conv", "code"):
        table = rows(data / "traces" / f"AzureLLMInferenceTrace_{name}_2023.csv")
        minutes = np.array(list(Counter(r["TIMESTAMP"][:16] for r in table).values())[1:-1])
        found.append(
            Model(
                float(np.mean([int(r["ContextTokens"]) for r in table])),
                float(np.mean([int(r["GeneratedTokens"]) for r in table])),
                float(np.clip(minutes.mean() / np.percentile(minutes, 95), 0.5, 0.8)),
            )
        )
    return found[0], found[1]


def catalogue(data: Path, rng: np.random.Generator) -> Catalogue:
    """All services."""
    kind = ("web",) * WEB + ("api",) * API + ("llm",) * MODELS
    count, models = len(kind), traced(data)
    first_model = WEB + API
    model = tuple(models[i % 2] if i >= first_model else None for i in range(count))
    called = (np.arange(count) >= WEB) & (np.arange(count) < 2 * WEB)
    fenced = np.arange(count) % FENCED == FENCED - 1
    tier = rng.choice([1.0, 0.3, 0.03], count, p=[0.4, 0.4, 0.2])
    size = {"web": 30_000.0, "api": 4_000.0}
    return Catalogue(
        kind=kind,
        mean_rps=np.where(called, 0.0, _popularity(kind, called)),
        priority=rng.choice([10.0, 3.0, 1.0], count, p=[0.2, 0.5, 0.3]),
        value_usd=tier * [VALUE_USD[k] for k in kind],
        request_bytes=np.array([m.prompt_tokens * TOKEN_BYTES if m else 1_000.0 for m in model]),
        response_bytes=np.array(
            [m.output_tokens * TOKEN_BYTES if m else size[k] for m, k in zip(model, kind, strict=True)]
        )
        * rng.lognormal(0.0, 0.5, count),
        headroom=np.array([m.headroom if m else 0.7 for m in model]),
        replica_rps=np.array([0.0 if m else 300.0 for m in model]) * rng.lognormal(0.0, 0.4, count),
        model=model,
        fenced=fenced.astype(np.int64),
        caller=np.where(called, np.arange(count) - WEB, -1),
    )


def _popularity(kind: tuple[str, ...], called: Bools) -> Floats:
    """Requests/s from users: within a kind a power law of rank."""
    out = np.zeros(len(kind))
    for name, total in TOTAL_RPS.items():
        mine = np.flatnonzero((np.array(kind) == name) & ~called)
        weight = 1 / np.arange(1, len(mine) + 1) ** 0.8
        out[mine] = total * weight / weight.sum()
    return out
