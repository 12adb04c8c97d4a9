"""A server on loopback that answers each request with the next of its replies, byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from tests.performance.hostile.loop_thread import LoopThread
from tests.performance.hostile.mutation import KEY

End = Literal["keep", "close", "reset", "hang"]
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_ABORT = struct.pack("ii", 1, 0)
"""Linger for no time: a close resets the connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawReply:
    """What is sent: pieces of bytes with seconds between them, and what then becomes of the connection."""

    name: str
    pieces: tuple[bytes, ...]
    pause_s: float = 0.0
    end: End = "keep"


class HostileServer(LoopThread):
    """Serves until its block ends; counts the requests that were read whole."""

    def __init__(self, otherwise: RawReply) -> None:
        """Answer `otherwise` when no replies are left."""
        super().__init__("hostile-server")
        self.asked = 0
        self.keyed = 0
        """The requests that had the key."""
        self._otherwise = otherwise
        self._replies: deque[RawReply] = deque()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """The address without a path."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    @property
    def left(self) -> int:
        """The replies that nobody has asked for yet."""
        return len(self._replies)

    def play(self, replies: Iterable[RawReply]) -> None:
        """Answer these from now on, and count from 0."""
        self.asked = self.keyed = 0
        self._replies = deque(replies)

    async def begin(self) -> None:
        """Serve."""
        self._serving = await asyncio.start_server(self._attend, sock=self._socket)

    async def end(self) -> None:
        """Break all connections."""
        self._serving.close()
        under_way = list(self._under_way)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        # Their transports are closed in the next turn of the loop.
        await asyncio.sleep(0)

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        # The client may be gone at any time, and hostile bytes make it leave.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._answer(reader, writer):
                pass
        writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection stays."""
        head = await reader.readuntil(b"\r\n\r\n")
        found = _LENGTH.search(head)
        await reader.readexactly(int(found[1]) if found else 0)
        if not head.startswith(b"POST"):
            writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            return True
        self.asked += 1
        self.keyed += KEY.encode() in head
        reply = self._otherwise
        if self._replies:
            reply = self._replies.popleft()
        for piece in reply.pieces:
            writer.write(piece)
            await writer.drain()
            if reply.pause_s:
                await asyncio.sleep(reply.pause_s)
        if reply.end == "hang":
            await reader.read()
        if reply.end == "reset":
            connected: socket.socket = writer.get_extra_info("socket")
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        if reply.end == "close":
            writer.close()
            await writer.wait_closed()
        return reply.end == "keep"
