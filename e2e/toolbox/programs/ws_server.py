"""A WebSocket echo server on the given port."""
import asyncio
import sys
import websockets


async def echo(socket, *_):
    async for message in socket:
        await socket.send("echo:" + message)


async def main():
    async with websockets.serve(echo, "0.0.0.0", int(sys.argv[1])):
        print("listening", flush=True)
        await asyncio.Future()


asyncio.run(main())
