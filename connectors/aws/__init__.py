"""AWS: Route 53, Application Load Balancers and VPC Lattice; signed and modelled by botocore, carried by our own edge."""
