"""What is committed already: taken off before more is advised, and paid on when a provider is left."""

from datetime import date

import pytest

from scheduler.planning.mixes import reserved_nodes
from scheduler.planning.what_ifs import committed_usd
from tests.scheduler.reports.fleets import documents

DOCUMENTS = documents()
MADE = next(c for book in DOCUMENTS.price_books for c in book.spec.commitments if c.kind == "reserved")
KIND = (MADE.provider, MADE.region, MADE.node_type)


def test_reserved_nodes_count_while_their_term_goes_on() -> None:
    held = reserved_nodes(DOCUMENTS, KIND, 2 + MADE.term_months, MADE.starts)

    assert held[0] == MADE.nodes
    assert held[-1] == 0
    assert reserved_nodes(DOCUMENTS, (*KIND[:2], "other"), 3, MADE.starts).tolist() == [0, 0, 0]


def test_commitments_of_a_provider_cost_what_is_left_of_their_terms() -> None:
    whole = committed_usd(DOCUMENTS, MADE.provider, MADE.starts)

    assert whole > 0
    assert committed_usd(DOCUMENTS, MADE.provider, date(2099, 1, 1)) == 0
    assert committed_usd(DOCUMENTS, "nobody", MADE.starts) == 0
    assert committed_usd(DOCUMENTS, MADE.provider, date(2000, 1, 1)) == pytest.approx(whole)
