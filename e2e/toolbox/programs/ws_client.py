"""ws_client.py HOST PORT: ten messages over one WebSocket; exits with 0 when all came back."""
import asyncio
import sys
import websockets


async def main():
    async with websockets.connect("ws://%s:%s/" % (sys.argv[1], sys.argv[2])) as socket:
        for i in range(10):
            await socket.send(str(i))
            assert await socket.recv() == "echo:%d" % i
    print("ok")


asyncio.run(asyncio.wait_for(main(), 20))
