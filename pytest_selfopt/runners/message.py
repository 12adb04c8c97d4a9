"""What every message between sessions and workers has in common: what it belongs to, and how it is refused."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from pytest_selfopt.bounded_text import cut
from pytest_selfopt.errors import RunnerError

MOST_REASONS = 20
"""How many reasons for refusing messages are told apart."""

MOST_REASON = 300
"""Characters of such a reason, which may repeat what a stranger wrote."""


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


def count_reason(reasons: Counter[str], why: str) -> None:
    """Count why a message was refused; strangers may send any number, with any reason."""
    why = cut(why, MOST_REASON)
    if why not in reasons and len(reasons) >= MOST_REASONS:
        why = "other reasons"
    reasons[why] += 1
