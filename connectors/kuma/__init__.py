"""Kuma and Kong Mesh in universal mode, by the REST API of the control plane: a MeshHTTPRoute per service."""
