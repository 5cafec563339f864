"""Scenario documents: a fleet, what it is asked for, what happens to it, and what should come of that."""
