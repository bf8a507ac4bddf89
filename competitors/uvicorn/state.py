"""What the application keeps: a bounded key-value store, the event feed, open WebSockets, counters."""

import asyncio
import contextlib
import gc
import os
import re
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection

from fastapi import WebSocket

MAX_ENTRIES = 20_000
MAX_BYTES = 32 * 1024 * 1024
MAX_IDLE = 120.0
EVENT_INTERVAL = 0.2
EVENTS_KEPT = 4096


class Store:
    """Forgets what was not used for two minutes, and the least recently used entries beyond its bounds."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries[key] = (entry[0], time.monotonic())
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: str, value: bytes) -> bool:
        """True when the key is new."""
        replaced = self.delete(key)
        self._entries[key] = (value, time.monotonic())
        self._bytes += len(value)
        self.evict()
        return not replaced

    def delete(self, key: str) -> bool:
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        self._bytes -= len(entry[0])
        return True

    def evict(self) -> None:
        idle = time.monotonic() - MAX_IDLE
        while self._entries:
            key, (_, used) = next(iter(self._entries.items()))
            if len(self._entries) <= MAX_ENTRIES and self._bytes <= MAX_BYTES and used >= idle:
                return
            self.delete(key)


class Feed:
    """Numbered events, five a second (WHATWG HTML, server-sent events). The text follows from the number."""

    def __init__(self) -> None:
        self.subscribers = 0
        self.stopped = False
        self._last = 0
        self._changed = asyncio.Event()

    def produce(self) -> None:
        self._last += 1
        self._wake()

    def stop(self) -> None:
        self.stopped = True
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def stream(self, last_event_id: str | None) -> AsyncIterator[str]:
        sent = self._last
        if last_event_id is not None and re.fullmatch(r"[0-9]{1,15}", last_event_id):
            seen = int(last_event_id)
            if max(0, self._last - EVENTS_KEPT) <= seen <= self._last:
                sent = seen
        self.subscribers += 1
        try:
            yield "retry: 1000\n\n"
            while not self.stopped:
                changed = self._changed
                if sent < self._last:
                    numbers = range(sent + 1, self._last + 1)
                    sent = self._last
                    yield "".join(f'id: {n}\nevent: tick\ndata: {{"id":{n}}}\n\n' for n in numbers)
                    continue
                await changed.wait()
        finally:
            self.subscribers -= 1


class State:
    def __init__(self) -> None:
        self.store = Store()
        self.feed = Feed()
        self.web_sockets: set[WebSocket] = set()
        self.connections: Collection[object] = ()
        self.requests = 0
        self.responses_5xx = 0
        self.panics = 0

    async def run(self) -> None:
        """Produces events and sweeps the store until cancelled."""
        ticks = 0
        while True:
            await asyncio.sleep(EVENT_INTERVAL)
            self.feed.produce()
            ticks += 1
            if ticks % 25 == 0:
                self.store.evict()

    async def stop(self) -> None:
        self.feed.stop()

        async def goodbye(web_socket: WebSocket) -> None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(web_socket.close(1001, "server stops"), 3)

        await asyncio.gather(*(goodbye(web_socket) for web_socket in list(self.web_sockets)))

    def variables(self) -> dict[str, object]:
        with open("/proc/self/statm", encoding="ascii") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return {
            "memstats": {"rss": resident},
            "gc": gc.get_stats(),
            "threads": threading.active_count(),
            "connections_active": len(self.connections),
            "requests_total": self.requests,
            "responses_5xx": self.responses_5xx,
            "panic_count": self.panics,
            "sse_subscribers": self.feed.subscribers,
            "ws_connections": len(self.web_sockets),
            "probatorium": {"predicates": ["I-PANIC"]},
        }
