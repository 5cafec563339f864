"""A stand-in for a Kubernetes API server and for the mesh controllers behind it. It is no Kubernetes: see its docs."""
