"""What is carried over, and the page that is drawn from the table."""

from pathlib import Path

from health.diagram import diagram, gray_diagram, page
from health.gray import GRAY_CONDITIONS, GRAY_MEANINGS, GRAY_TRANSITIONS, Gray
from health.states import CONDITIONS, MEANINGS, TRANSITIONS, State
from health.verdict import all_up, carried_verdicts
from placement.columns import ints
from tests.health.story import Story


def test_carried_verdicts_keep_the_known_rows_and_start_new_ones_up() -> None:
    story = Story().fall(1)

    after = carried_verdicts(story.verdicts, ints([1, -1, 0]), story.at_s)

    assert after.state.tolist() == [State.DOWN, State.UP, State.UP]
    assert after.hold_down_s.tolist() == [5, 0, 0]
    assert len(carried_verdicts(all_up(0, 0.0), ints([-1]), 1.0)) == 1


def test_docs_page_is_what_the_table_says() -> None:
    """Write it again with: python -m health.diagram > docs/verdicts.md"""
    assert (Path(__file__).parents[2] / "docs" / "verdicts.md").read_text() == page()


def test_diagram_has_an_arrow_for_every_transition_and_words_for_every_name() -> None:
    assert diagram().count("-->") == len(TRANSITIONS) + 1
    assert {when for _, when, _ in TRANSITIONS} == set(CONDITIONS)
    assert set(State) == set(MEANINGS)
    assert gray_diagram().count("-->") == len(GRAY_TRANSITIONS) + 1
    assert {arrow.when for arrow in GRAY_TRANSITIONS} == set(GRAY_CONDITIONS)
    assert set(Gray) == set(GRAY_MEANINGS)
