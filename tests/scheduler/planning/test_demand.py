"""Demand to plan for: what is given or learnt, by service and by origin or region."""

from dataclasses import replace

import numpy as np
import pytest

from config.configuration import Configuration
from placement.columns import floats
from placement.growth import fitted
from scheduler.planning.demand import demand_given, demand_learnt, growth_rows
from scheduler.planning.history import read_history
from tests.scheduler.reports.fleets import documents

DOCUMENTS = documents()
DAYS = 120


@pytest.mark.parametrize(
    ("growth", "rate"),
    [
        ({"": 0.1}, 0.1),
        ({"": 0.1, "@us-east-1": 0.2}, 0.2),
        ({"@us-east-1": 0.2, "@us-east": 0.3}, 0.3),
        ({"@us-east": 0.3, "storefront": 0.4}, 0.4),
        ({"storefront": 0.4, "storefront@us-east-1": 0.5}, 0.5),
        ({"storefront@us-east-1": 0.5, "storefront@us-east": 0.6}, 0.6),
        ({"storefront@eu-central-1": 0.5}, 0.0),
    ],
)
def test_growth_that_is_given_takes_the_most_specific_service_origin_or_region(
    growth: dict[str, float], rate: float
) -> None:
    demand = demand_given(DOCUMENTS, growth, 12)

    assert {(s, o): r for s, o, r in demand.growth}["storefront", "us-east"] == rate
    assert demand.month("base", 11)["storefront", "us-east"] == pytest.approx(1 + rate)
    assert demand.month("low", 11)["storefront", "us-east"] == pytest.approx(1 + rate / 2)


def test_growth_of_what_does_not_exist_is_refused_with_what_does() -> None:
    with pytest.raises(ValueError, match=r"growth of 'storefront@mars': .*us-east-1"):
        demand_given(DOCUMENTS, {"storefront@mars": 0.1}, 12)


def test_history_by_region_grows_every_origin_there_alike() -> None:
    rows = [f"{np.datetime64('2026-01-01') + d},storefront,us-east-1,{100 * np.exp(0.001 * d)}" for d in range(DAYS)]
    past = read_history("day,service,region,rps\n" + "\n".join(rows))

    demand = demand_learnt(DOCUMENTS, fitted(past.rps), past.keys, past.rps[-1], 3)

    factors = [demand.month("base", month)["storefront", "us-east"] for month in range(3)]
    assert factors == sorted(factors)
    assert factors[-1] == pytest.approx(np.exp(0.09), abs=0.02)


def test_growth_by_service_and_region_adds_up_what_its_origins_expect() -> None:
    twin = DOCUMENTS.origins[0].model_copy(
        update={"metadata": DOCUMENTS.origins[0].metadata.model_copy(update={"name": "twin"})}
    )
    both: Configuration = replace(DOCUMENTS, origins=(*DOCUMENTS.origins, twin))
    where = {o.name: o.spec.expected_rps["storefront"] for o in both.origins if "storefront" in o.spec.expected_rps}

    rows = {(r["service"], r["region"]): r for r in growth_rows(both, demand_given(both, {"": 0.5}, 12))}

    europe = rows["storefront", "eu-central-1"]
    assert europe["rps"] == where["eu-central"] + where["twin"]
    assert europe["ratio_per_year"] == pytest.approx(0.5)
    assert europe["rps_last_month"]["high"] == pytest.approx(1.75 * europe["rps"])
    assert sum(row["rps"] for row in rows.values()) == pytest.approx(float(floats(list(where.values())).sum()))
