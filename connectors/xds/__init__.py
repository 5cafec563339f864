"""An xDS control plane: Envoy and proxyless gRPC clients take their weights from it and report their load to it."""
