"""Stand-ins for control planes that cannot be had here, over real HTTP; written from their documentation."""
