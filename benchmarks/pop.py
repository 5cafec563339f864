"""Shard load balancing: copies made and time against a mixed-integer program given whole to HiGHS.

The instance is that of POP (Narayanan et al., SOSP 2021, figure 13; DeDe uses it too): 1024 shards on 128
servers of 16 places, 100 rounds in which a Zipf exponent drawn by Java's Random(42) changes every load; a server serves
within 5 % of the average, shards may be split, and what counts is copies made. A share below 1e-9 is none, for both.

Our rounds follow one another. The program gets some of the same rounds (`milp_rounds`), from the copies that stand in
ours at that point, so both solve the same instance; `moves` and `milp_moves` are means over those. It stops at
`milp_time_limit_s` or at the published gap of 5 %. The `narrow` program is the same with new copies of the heaviest
shards only: no longer the whole problem, and infeasible (null) where light shards have to move, but one that the solver
gets somewhere with. `mean_...` are over all of rounds 20 to 99.

    python -m benchmarks.pop --json
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, eye_array, hstack

from placement.columns import Bools, Floats, floats, ints
from placement.solve.balance import Balance, Copies, Window, rebalance

SHARDS, SERVERS, PLACES, ROUNDS, WARM_UP = 1024, 128, 16, 100, 20
SLACK = 0.05
SEED = 42
SHARE_MIN = 1e-9
GAP = 0.05
HEAVIEST = 32
"""Shards of which the narrow program may make copies."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round: what was asked and what we answered."""

    load: Floats
    standing: Copies
    balance: Balance
    seconds: float


def java_doubles(seed: int) -> Iterator[float]:
    """`java.util.Random(seed).nextDouble()`, for ever: the 48-bit generator that its documentation specifies."""
    mask = 2**48 - 1
    state = (seed ^ 0x5DEECE66D) & mask

    def bits(count: int) -> int:
        nonlocal state
        state = (state * 0x5DEECE66D + 0xB) & mask
        return state >> (48 - count)

    while True:
        yield ((bits(26) << 27) + bits(27)) / 2**53


def loads(uniform: float) -> Floats:
    """(SHARDS,) load of each shard in the round of that random number, rounded as Java rounds."""
    zipf = 0.25 + 0.5 * uniform
    return floats(np.floor(1_000_000 / np.arange(1, SHARDS + 1) ** zipf + 0.5))


def window(load: Floats) -> Window:
    """What a server has to keep to."""
    average = float(load.sum()) / SERVERS
    return Window(SERVERS, (1 - SLACK) * average, (1 + SLACK) * average, PLACES)


def play(rounds: int) -> list[Round]:
    """Our rounds. One is solved beforehand for nothing, so that compiling is in none of the times."""
    numbers = java_doubles(SEED)
    copies = Copies(ints(np.arange(SHARDS)), ints(np.arange(SHARDS) % SERVERS))
    rebalance(loads(0.9), copies, window(loads(0.9)), steps=1)
    played = []
    for number in range(rounds):
        load = loads(next(numbers))
        start_s = time.perf_counter()
        balance = rebalance(load, copies, window(load), seed=number)
        played.append(Round(load, copies, balance, time.perf_counter() - start_s))
        copies = balance.copies
    return played


def feasible(load: Floats, balance: Balance) -> bool:
    """Whether every shard is served whole, and every server is within its window and its places."""
    share = balance.load / load[balance.copies.item]
    served = np.bincount(balance.copies.item, weights=share, minlength=SHARDS)
    limits, server = window(load), balance.copies.holder
    on_server = np.bincount(server, weights=balance.load, minlength=SERVERS)
    within = (on_server >= limits.lower * (1 - 1e-6)) & (on_server <= limits.upper * (1 + 1e-6))
    places = np.bincount(server, minlength=SERVERS)
    return bool(np.abs(served - 1).max() < 1e-6 and within.all() and (places <= PLACES).all())


def held(copies: Copies) -> Bools:
    """(SHARDS, SERVERS) who has what."""
    matrix = np.zeros((SHARDS, SERVERS), dtype=bool)
    matrix[copies.item, copies.holder] = True
    return matrix


def program_moves(load: Floats, standing: Copies, offered: Bools, limit_s: float) -> int | None:
    """Copies that the mixed-integer program makes within its time, None if it finds no answer.

    Columns are the shares r and the copies x of the `offered` (SHARDS, SERVERS) pairs; rows as in the rules.
    """
    shard, server = np.nonzero(offered)
    pairs, row = len(shard), np.arange(len(shard))
    new = ~held(standing)[shard, server]
    one, identity, average = np.ones(pairs), eye_array(pairs, format="csr"), load.sum() / SERVERS
    of_shard = csr_array((one, (shard, row)), shape=(SHARDS, pairs))
    of_server = csr_array((one, (server, row)), shape=(SERVERS, pairs))
    on_server = csr_array((load[shard] / average, (server, row)), shape=(SERVERS, pairs))
    constraints = [
        LinearConstraint(hstack([of_shard, csr_array((SHARDS, pairs))]), 1, 1),
        LinearConstraint(hstack([identity, -identity]), -np.inf, 0),
        LinearConstraint(hstack([csr_array((SERVERS, pairs)), of_server]), -np.inf, PLACES),
        LinearConstraint(hstack([on_server, csr_array((SERVERS, pairs))]), 1 - SLACK, 1 + SLACK),
    ]
    answer = milp(
        np.concatenate([np.zeros(pairs), new]),
        integrality=np.repeat([0, 1], pairs),
        bounds=Bounds(0, 1),
        constraints=constraints,
        options={"time_limit": limit_s, "mip_rel_gap": GAP},
    )
    return None if answer.x is None else int((new & (answer.x[:pairs] > SHARE_MIN)).sum())


def against(played: Sequence[Round], heaviest: int, limit_s: float) -> tuple[list[int | None], float]:
    """Copies that a program makes in some rounds, None where it has no answer, and its mean seconds."""
    seconds, moves = [], []
    for one in played:
        offered = held(one.standing)
        offered[:heaviest] = True
        start_s = time.perf_counter()
        moves.append(program_moves(one.load, one.standing, offered, limit_s))
        seconds.append(time.perf_counter() - start_s)
    return moves, float(np.mean(seconds))


def measure(rounds: int, compared: Sequence[int], limit_s: float) -> dict[str, object]:
    """The whole benchmark."""
    played = play(rounds)
    counted, same = played[min(WARM_UP, rounds - 1) :], [played[number] for number in compared]
    whole, whole_s = against(same, SHARDS, limit_s)
    narrow, narrow_s = against(same, HEAVIEST, limit_s)
    seconds = float(np.mean([one.seconds for one in same]))
    answers = [moves for moves in whole if moves is not None]
    return {
        "rounds": rounds,
        "feasible": all(feasible(one.load, one.balance) for one in played),
        "moves": round(float(np.mean([one.balance.moves for one in same])), 4),
        "milp_moves": round(float(np.mean(answers)), 4) if len(answers) == len(whole) else None,
        "lower_bound_moves": round(float(np.mean([one.balance.lower_bound_moves for one in same])), 4),
        "seconds": round(seconds, 4),
        "milp_seconds": round(whole_s, 3),
        "speedup": round(whole_s / seconds, 1),
        "milp_time_limit_s": limit_s,
        "milp_rounds": list(compared),
        "moves_by_round": [one.balance.moves for one in same],
        "narrow_moves_by_round": narrow,
        "narrow_seconds": round(narrow_s, 3),
        "mean_moves": round(float(np.mean([one.balance.moves for one in counted])), 4),
        "mean_lower_bound_moves": round(float(np.mean([one.balance.lower_bound_moves for one in counted])), 4),
        "mean_seconds": round(float(np.mean([one.seconds for one in counted])), 4),
        "max_seconds": round(max(one.seconds for one in counted), 4),
        "proven_optimal_rounds": sum(one.balance.moves == one.balance.lower_bound_moves for one in counted),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pop", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--milp-rounds", default="26,48,84", help="rounds that the program gets; %(default)s")
    parser.add_argument("--milp-time-limit-s", type=float, default=60.0, help="for each of them; %(default)s")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    arguments = parser.parse_args(argv)
    compared = [int(number) for number in arguments.milp_rounds.split(",")]
    if max(compared) >= arguments.rounds:
        parser.error(f"--milp-rounds {max(compared)}: there are only rounds 0 to {arguments.rounds - 1}")
    values = measure(arguments.rounds, compared, arguments.milp_time_limit_s)
    print(json.dumps(values) if arguments.json else "\n".join(f"{name:24} {value}" for name, value in values.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
