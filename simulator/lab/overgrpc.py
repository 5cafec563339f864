"""A service over gRPC, for fleets whose data plane is gRPC's own xDS client."""

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2_grpc

from simulator.lab.workload import Ask

SERVICE = "equipoise.lab.Service"
METHOD = "Serve"
STATUS_HEADER = "x-equipoise-status"
"""The HTTP status that the answer stands for; the call itself succeeds, as an HTTP exchange does."""


async def serve(ask: Ask, port: int) -> grpc.aio.Server:
    """Offer a service on a port, with the standard health service beside it."""

    async def answered(_: bytes, context: grpc.aio.ServicerContext) -> bytes:
        answer = await ask()
        await context.send_initial_metadata((*answer.headers.items(), (STATUS_HEADER, str(answer.status))))
        return answer.body

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    methods = {METHOD: grpc.unary_unary_rpc_method_handler(answered)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    return server
