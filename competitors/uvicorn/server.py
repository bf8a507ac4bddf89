"""The plain contract on FastAPI and uvicorn: one process, uvloop, httptools.

python server.py -bind HOST:PORT -engine uvicorn
"""

import argparse
import json
import signal
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import uvicorn

from app import create_app
from state import State


class Server(uvicorn.Server):
    """Tells its address once it listens, and ends streams and WebSockets before it waits for requests."""

    def __init__(self, config: uvicorn.Config, state: State, debug: ThreadingHTTPServer) -> None:
        super().__init__(config)
        self.state = state
        self.debug = debug

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        print(f"debug addr={address(self.debug.server_address)}", flush=True)
        print(f"ready addr={address(self.servers[0].sockets[0].getsockname())}", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await self.state.stop()
        await super().shutdown(sockets)


def address(name: tuple) -> str:
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def serve_debug(state: State) -> ThreadingHTTPServer:
    """The side listener on loopback: /debug/vars as JSON."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/debug/vars":
                self.send_error(404)
                return
            body = json.dumps(state.variables()).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> None:
    parser = argparse.ArgumentParser(prog="uvicorn-plain", allow_abbrev=False)
    parser.add_argument("-bind", "--bind", default="127.0.0.1:8080", metavar="HOST:PORT")
    parser.add_argument("-engine", "--engine", default="uvicorn", choices=["uvicorn"])
    options = parser.parse_args()
    host, _, port = options.bind.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        parser.error(f"-bind {options.bind!r} is not HOST:PORT")

    # uvicorn sends itself the signal again after its graceful stop; that one has done its work.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)

    state = State()
    config = uvicorn.Config(
        create_app(state),
        host=host.strip("[]") or "0.0.0.0",
        port=int(port),
        loop="uvloop",
        http="httptools",
        ws="auto",
        ws_max_size=16 * 1024 * 1024,
        ws_ping_interval=15,
        ws_ping_timeout=15,
        ws_per_message_deflate=False,
        lifespan="on",
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=1024,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=4,
    )
    server = Server(config, state, serve_debug(state))
    state.connections = server.server_state.connections
    server.run()
    if not server.started:
        sys.exit(1)


if __name__ == "__main__":
    main()
