"""What the Python servers share: the command line, the ready line, the echo and the numbered events."""

import base64
import json
import re
import sys
import time

INTERVAL = 0.2
HELLO = "Hello, World!"
BEGUN = time.monotonic()


def argument(name: str, default: str) -> str:
    words = sys.argv
    return words[words.index(name) + 1] if name in words else default


def bind() -> tuple[str, int]:
    host, _, port = argument("-bind", "127.0.0.1:0").rpartition(":")
    return host, int(port)


def ready(name: tuple) -> None:
    print(f"ready addr={name[0]}:{name[1]}", flush=True)


def seen(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> str:
    """The request as the handler saw it; a byte of a field value is the character of the same number."""
    fields = [list(field) for field in headers]
    return json.dumps(
        {"method": method, "target": target, "headers": fields, "body": base64.b64encode(body).decode()}
    )


def now() -> int:
    return int((time.monotonic() - BEGUN) / INTERVAL)


def first_event(last_event_id: str | None) -> int:
    """Number of the event before the first one that a reader gets."""
    if last_event_id is not None and re.fullmatch("[0-9]{1,15}", last_event_id) and int(last_event_id) <= now():
        return int(last_event_id)
    return now()


def events(after: int, until: int) -> str:
    """Five events a second; the text follows from the number, and the number from the time."""
    return "".join(f'id: {n}\nevent: tick\ndata: {{"id":{n}}}\n\n' for n in range(after + 1, until + 1))
