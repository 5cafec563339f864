"""Random worlds with random faults, watched by invariants: every seed is a whole run of the production loop."""
