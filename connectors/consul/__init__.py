"""Consul by its HTTP API: a splitter per service, a resolver per leg, compare-and-set by ModifyIndex."""
