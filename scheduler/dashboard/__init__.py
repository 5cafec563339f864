"""Pages for people: rendered here, live by the stream of turns, and complete without a network or a script."""
