"""HAProxy over its runtime socket: weights, standbys and refused shares change without a reload."""
