"""What the fleet will need and what that will cost: growth, purchases, commitments, and what-ifs."""
