"""NGINX: rendered upstreams that are tested before a reload, and the API of NGINX Plus."""
