"""A real fleet on one machine: clusters, gateways, long links, users, and the service that steers them."""
