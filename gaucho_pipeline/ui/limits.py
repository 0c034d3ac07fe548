"""What a connection to the web UI may take: so many bytes of headers, so long for a request to arrive, and so many at once.

uvicorn bounds none of it by itself: whoever reaches the port could fill the memory, or hold every connection.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_HEADER_BYTES = 64 * 1024
MAX_CONNECTIONS = 200
SECONDS_TO_ARRIVE = 10.0
"""For a request, its body included; what the UI sends is small, and comes from this machine."""


class LimitedProtocol(H11Protocol):
    """HTTP/1.1 that waits for no request for long. A WebSocket goes on by itself once it is open."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        if self._deadline is None:
            self._wait()  # for the rest of a further request
        super().data_received(data)
        if self._has_arrived():
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _has_arrived(self) -> bool:
        """Whether nothing more of a request is to come."""
        return self.conn.their_state not in (h11.IDLE, h11.SEND_BODY)

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(SECONDS_TO_ARRIVE, self._end)

    def _stop_waiting(self) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._deadline = None

    def _end(self) -> None:
        self._deadline = None
        if not self._has_arrived() and self.transport.get_protocol() is self:
            self.transport.abort()


def limits() -> dict[str, Any]:
    """The arguments of uvicorn that have it keep to them."""
    return {"http": LimitedProtocol, "h11_max_incomplete_event_size": MAX_HEADER_BYTES}
