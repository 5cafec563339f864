"""Meshes that are steered through a Kubernetes API server."""
