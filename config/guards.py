"""The `guards` of a Policy document: limits on what the controller does by itself."""

from config.fields import Amount, Pause, PositiveCount, PositiveRatio, Ratio, Seconds, Shape


class Trial(Shape):
    """Every push of the optimizer is watched, and taken back when users got worse than foreseen."""

    verify_seconds: Seconds = 30.0
    """How long after a push a surprise is laid to it."""
    worse_ratio: PositiveRatio = 0.10
    """Relative worsening of errors, or of the time in the backends, that is a surprise."""
    error_min: Ratio = 0.005
    """Errors that grow by less, as a part of the requests, are noise."""
    latency_min_ms: Amount = 5.0
    """Times that grow by less are noise."""
    good_after_seconds: Seconds = 600.0
    """A push that stood this long without a surprise is known good: where a rollback goes."""
    rest_seconds: Pause = 60.0
    """After a rollback the optimizer moves nothing for this long."""
    rollbacks_max: PositiveCount = 3
    """As many rollbacks in ten minutes mean SAFE mode."""


class Safe(Shape):
    """SAFE mode: nothing is optimized while the controller cannot trust its senses or tools."""

    stale_ratio: PositiveRatio = 0.5
    """When more than this part of the measured demand ..."""
    stale_after_seconds: Seconds = 30.0
    """... is older than this."""
    unsolved_max: PositiveCount = 3
    """Solves in a row without an answer."""
    clock_jump_seconds: Seconds = 1.0
    """A jump of the wall clock by more."""
    fresh_rounds: PositiveCount = 3
    """Rounds in a row without any reason that end it."""


class Guards(Shape):
    """Limits on what the controller does by itself. What moves away from the dead is not slowed by them."""

    step_max: PositiveRatio = 0.05
    """Most of a flow that moves to other clusters in one tick."""
    gain_min: Ratio = 0.0
    """A plan that improves the objective by less than this part of it is not worth a change."""
    moved_per_minute: PositiveRatio = 0.10
    """Blast radius: most of all traffic that the optimizer moves in a minute; 1 for no limit."""
    changes_per_hour: PositiveCount = 12
    """Change budget of a service; steps of one move in one direction are one change."""
    dwell_seconds: Pause = 60.0
    """Least time before a service's load at a cluster turns round."""
    reversals_per_hour: PositiveCount = 6
    """A service whose load at a cluster turned round so often holds until the hour is over."""
    bake_seconds: Pause = 60.0
    """New documents move one mesh, then a region, a quarter, all; each stage stands so long. 0 for no stages."""
    evacuations_max: PositiveCount = 2
    """Failure domains evacuated in ten minutes before a human has to say so with `equipoise resume`."""
    unmeasured_ratio: PositiveRatio = 0.85
    """Part of a capacity that is declared and was never measured to which an evacuation fills a backend."""
    trial: Trial = Trial()
    safe: Safe = Safe()
