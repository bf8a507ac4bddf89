"""The application and its routes."""

import asyncio
import base64
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator

from fastapi import FastAPI, HTTPException, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from state import State

MAX_BODY = 8 * 1024 * 1024
MAX_VALUE = 64 * 1024
USER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
KV_KEY = re.compile(r"[A-Za-z0-9._~-]{1,128}")
READ = ["GET", "HEAD"]
EVERY = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
ONE_KILOBYTE = {
    "items": [{"id": n, "name": f"Item {n:02}", "price": 100 + n, "stock": n % 10} for n in range(1, 22)]
}


class Census:
    """Counts requests, answers of 5xx and exceptions that no handler took."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app = app
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        self.state.requests += 1

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 500:
                self.state.responses_5xx += 1
            await send(message)

        try:
            await self.app(scope, receive, counted)
        except Exception:
            self.state.panics += 1
            raise


async def read_body(request: Request, limit: int) -> bytes:
    if int(request.headers.get("content-length", 0)) > limit:
        raise HTTPException(413, "body too large")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise HTTPException(413, "body too large")
    return bytes(body)


def create_app(state: State) -> FastAPI:
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(state.run())
        yield
        task.cancel()

    app = FastAPI(lifespan=lifespan, openapi_url=None, redirect_slashes=False)
    app.add_middleware(Census, state=state)

    @app.exception_handler(StarletteHTTPException)
    async def refuse(_: Request, error: StarletteHTTPException) -> Response:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody is there to read it

    @app.api_route("/", methods=READ)
    async def hello() -> Response:
        return PlainTextResponse("Hello, World!")

    @app.api_route("/json", methods=READ)
    async def json() -> Response:
        return JSONResponse({"message": "Hello, World!"})

    @app.api_route("/json-1k", methods=READ)
    async def json_1k() -> Response:
        return JSONResponse(ONE_KILOBYTE)

    @app.api_route("/healthz", methods=READ)
    async def healthz() -> Response:
        return JSONResponse({"status": "ok"})

    @app.api_route("/users/{user_id}", methods=READ)
    async def user(user_id: str) -> Response:
        if not USER_ID.fullmatch(user_id):
            raise HTTPException(400, "bad id")
        return JSONResponse({"id": user_id, "name": f"User {user_id}"})

    @app.post("/upload")
    async def upload(request: Request) -> Response:
        body = await read_body(request, MAX_BODY)
        return JSONResponse({"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()})

    @app.api_route("/echo", methods=EVERY)
    async def echo(request: Request) -> Response:
        body = await read_body(request, MAX_BODY)
        target = request.scope["raw_path"]
        if query := request.scope["query_string"]:
            target += b"?" + query
        headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.headers.raw]
        return JSONResponse(
            {
                "method": request.method,
                "target": target.decode("latin-1"),
                "headers": headers,
                "body": base64.b64encode(body).decode("ascii"),
            }
        )

    # One route for all methods: Starlette builds Allow from the first route of a path alone.
    @app.api_route("/kv/{key}", methods=["GET", "HEAD", "PUT", "DELETE"])
    async def kv(key: str, request: Request) -> Response:
        if request.method == "PUT":
            if not KV_KEY.fullmatch(key):
                raise HTTPException(400, "bad key")
            created = state.store.put(key, await read_body(request, MAX_VALUE))
            return Response(status_code=201 if created else 204)
        if request.method == "DELETE":
            if not state.store.delete(key):
                raise HTTPException(404, "not found")
            return Response(status_code=204)
        value = state.store.get(key)
        if value is None:
            raise HTTPException(404, "not found")
        return Response(value, media_type="application/octet-stream")

    @app.api_route("/events", methods=READ)
    async def events(request: Request) -> Response:
        headers = {"cache-control": "no-store"}
        if request.method == "HEAD":
            return Response(headers=headers, media_type="text/event-stream")
        stream = state.feed.stream(request.headers.get("last-event-id"))
        return StreamingResponse(stream, headers=headers, media_type="text/event-stream")

    @app.api_route("/ws", methods=READ)
    async def ws_only() -> Response:
        raise HTTPException(426, "WebSocket only", {"connection": "Upgrade", "upgrade": "websocket"})

    @app.websocket("/ws")
    async def ws(web_socket: WebSocket) -> None:
        await web_socket.accept()
        state.web_sockets.add(web_socket)
        try:
            while (message := await web_socket.receive())["type"] == "websocket.receive":
                await web_socket.send(
                    {"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")}
                )
        except WebSocketDisconnect:
            pass  # the client left before the echo
        finally:
            state.web_sockets.discard(web_socket)

    return app
