"""Routing policies that people run, as pure functions from a problem to a routing: what ours is measured against."""
