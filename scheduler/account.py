"""The answer to `explain`: why the shares of some flows are what they are, what all costs, and what more would save."""

from placement.cost import evaluate
from placement.explain import explain
from placement.fleet import Fleet
from placement.problem import Problem
from placement.routing import Routing
from placement.solve.routing import ShadowPrices
from placement.worth import capacity_worth
from scheduler.summary import Json, cost_summary, explanation_summary, worth_summary


def flows_named(fleet: Fleet, wanted: str) -> list[int]:
    """The flow `service@origin`, or all flows of `service`; none if unknown."""
    names = [fleet.flow_name(f) for f in range(len(fleet.flows))]
    return [f for f, name in enumerate(names) if wanted in {name, name.split("@")[0]}]


def unknown_flow(fleet: Fleet, wanted: str, shown: int = 10) -> str:
    """Words for a name that is no flow and no service."""
    some = ", ".join(fleet.flow_name(f) for f in range(min(shown, len(fleet.flows))))
    return f"{wanted!r} is no flow and no service. Flows are service@origin: {some}"


def account(problem: Problem, routing: Routing, prices: ShadowPrices, flows: list[int]) -> Json:
    """Explanations of flows under a routing, its cost by component in $/h, and the worth of capacity."""
    return {
        "format_version": 1,
        "flows": [explanation_summary(explain(problem, routing, prices, flow)) for flow in flows],
        "objective_usd_per_hour": cost_summary(evaluate(problem, routing)),
        "worth": worth_summary(problem, capacity_worth(problem, prices)),
    }
