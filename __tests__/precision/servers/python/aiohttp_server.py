"""aiohttp with its defaults."""

import asyncio
import signal

from aiohttp import WSMsgType, web

from common import HELLO, INTERVAL, bind, events, first_event, now, ready, seen


async def hello(_: web.Request) -> web.Response:
    return web.Response(text=HELLO)


async def echo(request: web.Request) -> web.Response:
    body = await request.read()
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
    return web.Response(
        text=seen(request.method, request.raw_path, headers, body), content_type="application/json"
    )


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    sent = first_event(request.headers.get("Last-Event-ID"))
    await response.write(b"retry: 1000\n\n")
    while True:
        await asyncio.sleep(INTERVAL)
        last = now()
        await response.write(events(sent, last).encode())
        sent = last


async def sockets(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type == WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type == WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


async def main() -> None:
    app = web.Application(client_max_size=8 << 20)
    app.add_routes(
        [
            web.get("/", hello),
            web.get("/healthz", hello),
            web.get("/events", stream),
            web.get("/ws", sockets, allow_head=False),
            web.route("*", "/echo", echo),
        ]
    )
    runner = web.AppRunner(app, shutdown_timeout=1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, *bind())
    await site.start()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    ready(runner.addresses[0])
    await ended.wait()
    await runner.cleanup()


asyncio.run(main())
