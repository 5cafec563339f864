"""Names in front of the clusters: weighted answers, and how long old ones live on in caches."""
