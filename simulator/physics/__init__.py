"""The world that is not us: a fluid model of clients, networks, meshes and back ends, in steps of virtual time."""
