"""What every message between sessions and workers has in common: what it belongs to, how long, and how refused."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pytest_selfopt.bounded_text import cut
from pytest_selfopt.errors import RunnerError

MOST_REASONS = 20
"""How many reasons for refusing messages are told apart."""

MOST_REASON = 300
"""Characters of such a reason, which may repeat what a stranger wrote."""


MOST_EXPANDED = 16 * 1024 * 1024
"""The length of a compressed message in bytes, once it is expanded: a stranger's few bytes may stand for any number."""

_COMPRESSED = b"selfopt-zlib-1:"


class UnusableMessageError(RunnerError):
    """A message that is not what belongs in its place: it is refused, and what waits goes on waiting."""


class EndsDisagreeError(UnusableMessageError):
    """A message of a sender with another key or another version: if nothing else comes, nothing ever will."""


class MessageKind(StrEnum):
    """What a message is, and thereby in which direction it goes."""

    CALL = "call"
    RESULT = "result"
    BEGUN = "begun"
    LEFT = "left"
    ORDER = "order"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class MessageContext:
    """What a message belongs to. It stands in the message, and is sealed with it; a message is used for nothing else.

    `name` is the prefix that a team uses on its server, `cycle` and `call` are unique names, `mark` tells messages
    apart of which a call may have several.
    """

    kind: MessageKind
    name: str
    cycle: str = ""
    call: str = ""
    mark: str = ""

    def to_json(self) -> list[str]:
        """Return the parts in order."""
        return [str(self.kind), self.name, self.cycle, self.call, self.mark]

    def to_bytes(self) -> bytes:
        """Return a text that no other context has."""
        return json.dumps(self.to_json(), ensure_ascii=True).encode("ascii")


def seal_within(data: bytes, seal: Callable[[bytes], bytes], most: int) -> bytes:
    """Return a sealed message, compressed if it is longer than `most` bytes otherwise; it may still be longer."""
    sealed = seal(data)
    if len(sealed) <= most or len(data) > MOST_EXPANDED:
        return sealed
    # Before it is sealed: sealed bytes do not compress.
    return seal(_COMPRESSED + zlib.compress(data))


def expanded(data: bytes) -> bytes:
    """Return a message as it was before it was compressed, if it was.

    Raises:
        UnusableMessageError: if it is damaged, or would be longer than any message.
    """
    if not data.startswith(_COMPRESSED):
        return data
    reader = zlib.decompressobj()
    try:
        plain = reader.decompress(data[len(_COMPRESSED) :], MOST_EXPANDED)
    except zlib.error:
        raise UnusableMessageError("a compressed message is damaged") from None
    if not reader.eof:
        raise UnusableMessageError(f"a compressed message is damaged, or longer than {MOST_EXPANDED:,} bytes")
    return plain


def count_reason(reasons: Counter[str], why: str) -> None:
    """Count why a message was refused; strangers may send any number, with any reason."""
    why = cut(why, MOST_REASON)
    if why not in reasons and len(reasons) >= MOST_REASONS:
        why = "other reasons"
    reasons[why] += 1
