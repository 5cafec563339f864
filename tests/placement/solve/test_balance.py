import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from placement.columns import Floats, floats, ints
from placement.solve.balance import Balance, Copies, Unbalanceable, Window, rebalance


def instance(seed: int, items: int = 7, holders: int = 3) -> tuple[Floats, Copies, Window]:
    """Random loads over two decades, every item at one or two holders, a window of 8 %."""
    rng = np.random.default_rng(seed)
    load = floats(10 ** rng.uniform(0, 2, items))
    where = rng.random((items, holders)) < 0.2
    where[np.arange(items), rng.integers(0, holders, items)] = True
    item, holder = np.nonzero(where)
    average = float(load.sum()) / holders
    return load, Copies(ints(item), ints(holder)), Window(holders, 0.92 * average, 1.08 * average, items)


def fewest_copies(load: Floats, standing: Copies, window: Window) -> int:
    """The least number of copies, by the formulation written out pair by pair."""
    items, holders = len(load), window.holders
    there = set(zip(standing.item.tolist(), standing.holder.tolist(), strict=True))
    pairs = [(i, h) for i in range(items) for h in range(holders)]
    count = len(pairs)
    rows, lower, upper = [], [], []
    for i in range(items):
        rows.append([float(p[0] == i) for p in pairs] + [0.0] * count)
        lower.append(1.0)
        upper.append(1.0)
    for h in range(holders):
        rows.append([load[p[0]] * (p[1] == h) for p in pairs] + [0.0] * count)
        lower.append(window.lower)
        upper.append(window.upper)
        rows.append([0.0] * count + [float(p[1] == h) for p in pairs])
        lower.append(0.0)
        upper.append(window.copies_max)
    for k in range(count):
        rows.append([float(n == k) for n in range(count)] + [-float(n == k) for n in range(count)])
        lower.append(-1.0)
        upper.append(0.0)
    answer = milp(
        [0.0] * count + [float(p not in there) for p in pairs],
        integrality=[0] * count + [1] * count,
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(csr_array(np.array(rows)), lower, upper),
    )
    assert answer.status == 0, answer.message
    return round(answer.fun)


def assert_within(load: Floats, window: Window, found: Balance) -> None:
    """Everything is served, within the window and the places."""
    item, holder = found.copies.item, found.copies.holder
    np.testing.assert_allclose(np.bincount(item, weights=found.load, minlength=len(load)), load, rtol=1e-6)
    on_holder = np.bincount(holder, weights=found.load, minlength=window.holders)
    assert (on_holder >= window.lower * (1 - 1e-6)).all()
    assert (on_holder <= window.upper * (1 + 1e-6)).all()
    assert np.bincount(holder).max() <= window.copies_max
    assert len(set(zip(item.tolist(), holder.tolist(), strict=True))) == len(found.copies)


@pytest.mark.parametrize("seed", range(25))
def test_rebalance_when_compared_with_an_exact_program_is_feasible_and_as_good(seed: int) -> None:
    load, standing, window = instance(seed)

    found = rebalance(load, standing, window)

    assert_within(load, window, found)
    least = fewest_copies(load, standing, window)
    assert found.lower_bound_moves <= least <= found.moves
    assert found.moves <= least + 1


def test_rebalance_when_compared_over_many_instances_is_nearly_always_optimal() -> None:
    pairs = [(rebalance(*instance(seed)), fewest_copies(*instance(seed))) for seed in range(40)]

    assert sum(found.moves == least for found, least in pairs) >= 38


def test_rebalance_when_moves_are_counted_counts_the_copies_that_were_not_there() -> None:
    load, standing, window = instance(3)

    found = rebalance(load, standing, window)

    before = set(zip(standing.item.tolist(), standing.holder.tolist(), strict=True))
    after = set(zip(found.copies.item.tolist(), found.copies.holder.tolist(), strict=True))
    assert found.moves == len(after - before)


def test_rebalance_when_all_is_well_moves_nothing() -> None:
    standing = Copies(ints([0, 1]), ints([0, 1]))

    found = rebalance(floats([1.0, 1.0]), standing, Window(2, 0.95, 1.05, 1))

    assert (found.moves, found.lower_bound_moves) == (0, 0)


def test_rebalance_when_one_item_outgrows_a_holder_proves_the_copies_it_needs() -> None:
    found = rebalance(floats([4.0]), Copies(ints([0]), ints([0])), Window(4, 0.9, 1.1, 1))

    assert (found.moves, found.lower_bound_moves) == (3, 3)


def test_rebalance_when_run_again_gives_the_same_answer() -> None:
    load, standing, window = instance(11, items=30, holders=6)

    first, second = rebalance(load, standing, window, seed=5), rebalance(load, standing, window, seed=5)

    assert first.copies.holder.tolist() == second.copies.holder.tolist()
    assert first.load.tolist() == second.load.tolist()


def test_rebalance_when_the_total_does_not_fit_says_so() -> None:
    with pytest.raises(Unbalanceable, match=r"total load of 10 does not fit 2 holders with 1 to 2 each"):
        rebalance(floats([10.0]), Copies(ints([0]), ints([0])), Window(2, 1.0, 2.0, 4))


def test_rebalance_when_there_are_no_places_says_what_is_in_the_way() -> None:
    standing = Copies(ints([0, 1, 2]), ints([0, 0, 0]))

    with pytest.raises(Unbalanceable, match="copies_max = 1"):
        rebalance(floats([1.0, 1.0, 1.0]), standing, Window(2, 1.4, 1.6, 1))


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf])
def test_rebalance_when_a_load_is_not_a_positive_number_refuses_it(wrong: float) -> None:
    with pytest.raises(ValueError, match="finite number above 0"):
        rebalance(floats([1.0, wrong]), Copies(ints([0, 1]), ints([0, 1])), Window(2, 0.9, 1.1, 2))
