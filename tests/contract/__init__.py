"""One suite that every connector passes, in front of a real data plane or of the simulated mesh."""
