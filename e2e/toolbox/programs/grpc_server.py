"""A gRPC server with one unary and one server-streaming method, raw bytes in and out; and the standard health service's answer."""
from concurrent import futures
import sys
import grpc


class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method == "/toolbox.Echo/Unary":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"echo:" + request)
        if details.method == "/toolbox.Echo/Stream":
            return grpc.unary_stream_rpc_method_handler(lambda request, context: (b"%d" % i for i in range(int(request))))
        if details.method == "/grpc.health.v1.Health/Check":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"\x08\x01")
        return None


server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Echo()])
server.add_insecure_port("[::]:%s" % sys.argv[1])
server.start()
print("listening", flush=True)
server.wait_for_termination()
