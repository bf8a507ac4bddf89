"""gunicorn with threads and a bare WSGI application: no WebSocket; a stream of events would hold a thread."""

from collections.abc import Callable, Iterable

from gunicorn.app.base import BaseApplication

from common import HELLO, bind, ready, seen


def application(environ: dict, start_response: Callable) -> Iterable[bytes]:
    method = environ["REQUEST_METHOD"]
    path = environ["PATH_INFO"]
    status, kind, text, more = "404 Not Found", "text/plain", "not found", []
    if path == "/echo":
        body = environ["wsgi.input"].read()
        headers = [
            (name.removeprefix("HTTP_").replace("_", "-").title(), value)
            for name, value in environ.items()
            if name.startswith("HTTP_") or name in ("CONTENT_LENGTH", "CONTENT_TYPE")
        ]
        status, kind = "200 OK", "application/json"
        text = seen(method, environ["RAW_URI"], headers, body)
    elif path in ("/", "/healthz"):
        if method in ("GET", "HEAD"):
            status, text = "200 OK", HELLO
        else:
            status, text, more = "405 Method Not Allowed", "GET only", [("Allow", "GET, HEAD")]
    answer = text.encode()
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(answer))), *more])
    return [] if method == "HEAD" else [answer]


class Server(BaseApplication):
    def load_config(self) -> None:
        host, port = bind()
        settings = {
            "bind": f"{host}:{port}",
            "worker_class": "gthread",
            "threads": 8,
            "graceful_timeout": 1,
            "loglevel": "critical",
            "when_ready": lambda server: ready(server.LISTENERS[0].sock.getsockname()),
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Callable:
        return application


Server().run()
