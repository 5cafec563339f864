"""Published price lists become price books, or say which line is wrong."""

import json
from datetime import date
from pathlib import Path

import pytest

from benchmarks.policy_fleets.instances import DataAbsentError, data_folder
from config.fallback import default_book
from config.pricelists import BadList, read_list

DAY = date(2026, 7, 1)
SKY = "InstanceType,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,Region,AvailabilityZone,Price,SpotPrice\n"
FOCUS = "ListUnitPrice,PricingUnit,RegionId,ServiceCategory,BillingCurrency,ProviderName,SkuPriceDetails\n"


def rows(kind: str, text: str, provider: str = "", **rates: float) -> list[tuple[str, str, str, float, float | None]]:
    book = read_list(kind, text, DAY, provider, rates).book
    return [
        (r.provider, r.region, r.node_type, r.usd_per_hour, r.spot.usd_per_hour if r.spot else None)
        for r in book.spec.node_types
    ]


def test_skypilot_catalogue_has_one_price_a_region_and_the_lowest_spot_zone() -> None:
    text = (
        SKY + "m6i.large,2,8,,,us-east-1,a,0.096,0.04\nm6i.large,2,8,,,us-east-1,b,0.096,0.03\ntpu,,,TPU,1,x,a,700.0,\n"
    )

    assert rows("skypilot", text, "aws") == [("aws", "us-east-1", "m6i.large", 0.096, 0.03)]
    with pytest.raises(BadList, match="say which with --provider"):
        rows("skypilot", text)


def test_opencost_assets_are_nodes_by_the_minutes_that_they_ran() -> None:
    node = {
        "type": "Node", "nodeType": "m5.large", "minutes": 90.0, "totalCost": 0.144,
        "properties": {"provider": "AWS"}, "labels": {"label_topology_kubernetes_io_region": "eu-west-1"},
    }  # fmt: skip
    text = json.dumps({"code": 200, "data": [{"a": node, "b": {"type": "Disk", "totalCost": 1}}]})

    assert rows("opencost", text) == [("aws", "eu-west-1", "m5.large", 0.096, None)]


def test_focus_export_in_another_currency_is_converted_at_the_rate_that_is_given() -> None:
    text = FOCUS + '0.1,Hours,r1,Compute,EUR,AWS,"{""InstanceType"": ""m""}"\n'

    assert rows("focus", text, EUR=1.08) == [("aws", "r1", "m", pytest.approx(0.108), None)]
    with pytest.raises(BadList, match="line 2: prices are not in USD: EUR; give --rate EUR=USD_FOR_ONE"):
        rows("focus", text)


SHEET = "provider,region,instance_type,usd_per_hour\n"
TYPED = '"{""InstanceType"": ""m""}"\n'


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("sheet", SHEET + "aws,r,m,-1\n", "line 2: price of m in r is -1; it must be"),
        ("sheet", SHEET + "aws,r,m,nan\n", "line 2: price of m in r is nan"),
        ("sheet", SHEET + "aws,r,m,1\naws,r,m,2\n", "line 3: m in r costs 2, and 1 on line 2"),
        ("sheet", SHEET + "aws,r,m,dear\n", "line 2: usd_per_hour 'dear' is no number"),
        ("sheet", "provider,region,price\n", "line 1: no column instance_type, usd_per_hour"),
        ("skypilot", SKY, "no price of a node among 0 rows"),
        ("opencost", "<html>", "not an answer of OpenCost's /assets"),
        ("focus", f"{FOCUS}1,Hours,r,Compute,EUR,AWS,{TYPED}1,Hours,q,Compute,USD,AWS,{TYPED}",
         "line 2: currencies are mixed: EUR"),
    ],
)  # fmt: skip
def test_list_that_cannot_be_used_says_the_line_and_why(kind: str, text: str, words: str) -> None:
    with pytest.raises(BadList) as caught:
        read_list(kind, text, DAY, "aws")

    assert words in str(caught.value)


def test_published_sheets_and_catalogue_samples_are_read_whole() -> None:
    try:
        folder = data_folder().parent / "prices"
    except DataAbsentError as absent:
        pytest.skip(str(absent))

    azure = rows("sheet", (folder / "azure_ondemand_usd_per_hour.csv").read_text())
    aws = rows("sheet", (folder / "aws_us-east-1_ondemand_usd_per_hour.csv").read_text())

    assert (len(azure), len(aws)) == (2_630, 1_367)
    assert ("azure", "eastus", "Standard_D8s_v5", 0.384, None) in azure


def test_default_book_agrees_with_the_lists_that_it_cites() -> None:
    try:
        folder = data_folder().parent / "prices"
    except DataAbsentError as absent:
        pytest.skip(str(absent))
    known: dict[tuple[str, str, str], float] = {}
    for name in (
        "azure_ondemand_usd_per_hour",
        "aws_us-east-1_ondemand_usd_per_hour",
        "aws_multi_region_ondemand_sample",
    ):
        known |= {row[:3]: row[3] for row in rows("sheet", Path(folder, f"{name}.csv").read_text())}

    for row in default_book().spec.node_types:
        assert row.usd_per_hour == known[row.provider, row.region, row.node_type], row


def test_default_book_has_a_load_balancer_for_every_provider_of_its_grids() -> None:
    spec = default_book().spec

    assert {row.provider for row in spec.load_balancers} == {row.provider for row in spec.carbon}
    assert {row.usd_per_hour for row in spec.load_balancers} == {0.0225, 0.025}
