"""What public clouds are like, as far as a what-if needs it: where regions are, how far apart, what nodes cost."""
