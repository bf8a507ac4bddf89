"""tornado with its defaults."""

import asyncio
import signal

from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from common import HELLO, INTERVAL, bind, events, first_event, now, ready, seen


class Hello(RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Type", "text/plain")
        self.write(HELLO)

    head = get


class Echo(RequestHandler):
    SUPPORTED_METHODS = (*RequestHandler.SUPPORTED_METHODS, "TRACE")

    def echo(self) -> None:
        request = self.request
        self.set_header("Content-Type", "application/json")
        self.write(seen(request.method, request.uri, list(request.headers.get_all()), request.body))

    get = head = post = put = patch = delete = options = trace = echo


class Events(RequestHandler):
    async def get(self) -> None:
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        sent = first_event(self.request.headers.get("Last-Event-ID"))
        self.write("retry: 1000\n\n")
        try:
            while True:
                await self.flush()
                await asyncio.sleep(INTERVAL)
                last = now()
                self.write(events(sent, last))
                sent = last
        except StreamClosedError:
            pass

    def head(self) -> None:
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")


class Sockets(WebSocketHandler):
    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message, binary=isinstance(message, bytes))


async def main() -> None:
    app = Application(
        [("/", Hello), ("/healthz", Hello), ("/echo", Echo), ("/events", Events), ("/ws", Sockets)],
        log_function=lambda _: None,
    )
    host, port = bind()
    sockets = bind_sockets(port, host)
    server = HTTPServer(app)
    server.add_sockets(sockets)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    ready(sockets[0].getsockname())
    await ended.wait()
    server.stop()


asyncio.run(main())
