"""What things cost: brackets, commitments, exact shares. Arithmetic only."""
