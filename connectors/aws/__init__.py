"""AWS: Route 53, Application Load Balancers, VPC Lattice; signed and modelled by botocore, carried by our edge."""
