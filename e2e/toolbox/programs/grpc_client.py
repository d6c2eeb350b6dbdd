"""grpc_client.py HOST PORT: one unary call and one stream of a hundred messages; exits with 0 when both came back right."""
import sys
import grpc

with grpc.insecure_channel("%s:%s" % (sys.argv[1], sys.argv[2])) as channel:
    unary = channel.unary_unary("/toolbox.Echo/Unary")(b"hi", timeout=15)
    stream = list(channel.unary_stream("/toolbox.Echo/Stream")(b"100", timeout=15))
assert unary == b"echo:hi", unary
assert stream == [b"%d" % i for i in range(100)], stream
print("ok")
