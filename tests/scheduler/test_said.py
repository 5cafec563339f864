from hypothesis import given
from hypothesis import strategies as st

from placement.columns import ints
from scheduler.index import named
from scheduler.said import NOTHING

BATCHES = st.lists(
    st.tuples(st.lists(st.integers(-1, 6), min_size=1, max_size=8), st.floats(0, 100)), min_size=1, max_size=3
)


@given(st.lists(BATCHES, min_size=1, max_size=6), st.booleans())
def test_said_of_any_batches_is_what_a_dictionary_of_times_would_say(
    calls: list[list[tuple[list[int], float]]], same: bool
) -> None:
    """Whether a source names the same rows again, which is looked up once, or others."""
    said, oracle = NOTHING, dict[int, float]()
    calls = [calls[0]] * len(calls) if same else calls
    known = {tuple(rows): named(ints(rows)) for batches in calls for rows, _ in batches}

    for batches in calls:
        said = said.open_to([known[tuple(rows)] for rows, _ in batches])
        for rows, at_s in batches:
            before = said.of(known[tuple(rows)])
            assert before.tolist() == [oracle.get(row, -float("inf")) for row in rows]
            said.hear(known[tuple(rows)], at_s)
            oracle |= {row: max(oracle.get(row, at_s), at_s) for row in rows if row >= 0}

    assert dict(zip(said.row.tolist(), said.at_s.tolist(), strict=True)) == oracle


def test_named_rows_say_which_are_unknown_and_which_come_again() -> None:
    rows = named(ints([4, -1, 4, 2, -1]))

    assert rows.known.tolist() == [2, 4]
    assert rows.repeated.tolist() == [False, False, True, False, True]
    assert not rows.whole
    assert named(ints([3, 1])).whole
