"""The numbers of the verdicts: how much evidence takes a backend out, and what brings it back."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """The numbers of the state machines."""

    fall: int = 3
    """Failures in a row, at one vantage, to condemn."""
    fall_disputed: int = 8
    """The same while another vantage still gets answers."""
    rise: int = 20
    """Successes in a row, at one vantage, to come back."""
    quorum: int = 1
    """Vantages that must agree; all that are left, where fewer are."""
    silent_after_s: float = 1.5
    """A vantage that reported nothing for this long is absent: no vote of it counts."""
    blind_ratio: float = 0.3
    """More targets than this, missed by one vantage alone and in more than one cluster: that vantage is broken."""
    hold_down_s: float = 5.0
    """Least time out after a first fall; doubles with every further one."""
    hold_down_max_s: float = 300.0
    forget_s: float = 600.0
    """A fall after this long in service counts as a first one."""
    penalty_half_life_s: float = 300.0
    """Every fall adds 1 to a penalty that decays (RFC 2439)."""
    suppress_above: float = 2.5
    """Penalty of a chronic flapper, four falls in ten minutes: it stays out longer than the hold-down."""
    reuse_below: float = 0.75
    """Penalty at which it may come back."""
    ramp_s: float = 60.0
    """Time from the return to full capacity."""
    service_ramp_s: tuple[float, ...] = ()
    """(S,) the same for each service of the fleet; empty where `ramp_s` holds for all."""
    trial_rps: float = 5.0
    """Most that a backend is given back at first whose fall only clients saw."""
    trial_s: float = 60.0
    """Where nobody asks such a backend for this long it ramps like any other: clients judge it there as well."""
    panic_ratio: float = 0.5
    """More of the clusters, or of the backends of one service, are never taken out by probes alone."""
    ejection_ratio: float = 0.2
    """Part of the clusters that probes alone may take out, but always one cluster."""
    ejection_capacity_ratio: float = 0.34
    """Part of a service's capacity that probes alone may take out, but always one backend."""
    fine_rps: float = 50.0
    """Where clients are answered at this rate, and `fine_ratio` of them well, it is the probe that is broken."""
    fine_ratio: float = 0.99
    testimony_s: float = 0.45
    """Where clients ask at `fine_rps`, the probes' verdict waits this long after the first miss for what they see."""
    gray_check_s: float = 3.0
    """After each step away from a gray failure, time to see whether it helped."""
    gray_restore_s: float = 30.0
    """Time without errors after which a step is taken back."""

    def __post_init__(self) -> None:
        assert min(self.fall, self.rise, self.quorum) >= 1, "fall, rise and quorum count from 1"
        assert self.fall_disputed >= self.fall, "a disputed fall needs no fewer failures than an undisputed one"
        assert self.silent_after_s > 0, "silent_after_s is a time above 0"
        assert 0 <= self.hold_down_s <= self.hold_down_max_s, "the first hold-down is longer than the longest"
        assert self.forget_s >= 0, "forget_s is below 0"
        assert self.penalty_half_life_s > 0, "penalty_half_life_s is a time above 0"
        assert 0 < self.reuse_below < self.suppress_above, "a penalty falls from suppress_above to reuse_below"
        assert min((self.ramp_s, *self.service_ramp_s)) >= 0, "a ramp is below 0 s"
        assert min(self.gray_check_s, self.gray_restore_s) > 0, "gray failures are looked at over a time above 0"
        for ratio in (self.panic_ratio, self.blind_ratio, self.ejection_ratio, self.ejection_capacity_ratio):
            assert 0 < ratio <= 1, "a ratio is a part of all, above 0"
