"""What the fleet costs, why, and what would change it."""
