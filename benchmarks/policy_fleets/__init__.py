"""The policy fleets: six instances of real regions, prices, round trips and demand shapes, and their physics."""
