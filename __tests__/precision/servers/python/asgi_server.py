"""The FastAPI application of another folder (-app DIR) on uvicorn with h11, or on hypercorn, with their defaults."""

import asyncio
import signal
import socket
import sys

from common import argument, bind, ready

sys.path.insert(0, argument("-app", "."))

from app import create_app  # noqa: E402
from state import State  # noqa: E402


async def main() -> None:
    # Clients that come before the server takes the socket over wait in its backlog.
    listener = socket.create_server(bind(), backlog=1024)
    listener.setblocking(False)
    state = State()
    app = create_app(state)
    ready(listener.getsockname())
    if argument("-engine", "") == "hypercorn":
        from hypercorn.asyncio import serve
        from hypercorn.config import Config

        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)

        async def stopped() -> None:
            await ended.wait()
            state.feed.stop()

        config = Config()
        config.bind = [f"fd://{listener.detach()}"]
        config.loglevel = "ERROR"
        config.graceful_timeout = 1
        await serve(app, config, shutdown_trigger=stopped)
    else:
        import uvicorn

        config = uvicorn.Config(app, http="h11", ws="wsproto", log_level="error", timeout_graceful_shutdown=1)
        await uvicorn.Server(config).serve([listener])


asyncio.run(main())
