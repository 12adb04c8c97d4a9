"""The three questions of `selfopt init`: who answers, which model, and what its answers are."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from pytest_selfopt.errors import SettingsError, SpecError
from pytest_selfopt.redaction.addresses import secret_in_address
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.starter.servers import ServerChoice, server_at
from pytest_selfopt.starter.suites import STARTER_SUITES
from pytest_selfopt.suggest import did_you_mean

T = TypeVar("T")

MOST_SHOWN = 20
"""Models that a menu shows; others can be typed."""


@dataclass(frozen=True, slots=True)
class Option:
    """One answer that a menu offers, and what it says about it."""

    name: str
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Generic[T]):
    """A question, and how its answer is read: `read` raises SettingsError, which is shown, and asked again after."""

    option: str
    """The option of the command line that answers it."""
    text: str
    options: Sequence[Option] = ()
    default: str = ""
    """What an empty answer means; without it an answer is needed."""
    read: Callable[[str], T]

    def menu(self) -> str:
        """The question as it is shown, without a prompt."""
        width = max((len(option.name) for option in self.options), default=0)
        shown = (
            f"  {number:2} {option.name:{width}}  {option.sentence}".rstrip()
            for number, option in enumerate(self.options, 1)
        )
        return "\n".join((self.text, *shown))

    def answer(self, typed: str) -> T:
        """Read what was typed: a number of the menu, a text, or nothing for the default.

        Raises:
            SettingsError: when it cannot be used.
        """
        text = typed.strip() or self.default
        if text.isdecimal() and 1 <= int(text) <= len(self.options):
            text = self.options[int(text) - 1].name
        if not text:
            raise SettingsError(f"{self.option}: {self.text[0].lower()}{self.text[1:]}")
        return self.read(text)


def server_question(servers: Sequence[ServerChoice]) -> Question[ServerChoice]:
    """Return the question about the server: one of those found, or the address of any other."""
    by_name = {server.name: server for server in servers}

    def read(text: str) -> ServerChoice:
        if text in by_name:
            return by_name[text]
        if "/" not in text and ":" not in text:
            raise SettingsError(f"--server {text}: no server has this name{did_you_mean(text, list(by_name))}")
        return server_at(_checked_address(text))

    return Question(
        option="--server",
        text="Which server answers? A name, or the address of one that speaks OpenAI's format",
        options=[Option(server.name, server.sentence) for server in servers],
        default=next((server.name for server in servers if server.ready), ""),
        read=read,
    )


def _checked_address(text: str) -> str:
    secret = secret_in_address(text)
    if secret:
        # The address is not repeated.
        raise SettingsError(f"--server: the address {secret}; put it into an environment variable, and give --key-env")
    try:
        address = urlsplit(text)
        plain = text.isascii() and text.isprintable()
        known = plain and address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        known = False
    if not known:
        raise SettingsError(f"--server {text}: is no address; expected one such as http://127.0.0.1:8000/v1")
    return text.rstrip("/")


def model_question(server: ServerChoice) -> Question[str]:
    """Return the question about the model, by its name on the server; the answer has the provider before it."""

    def read(text: str) -> str:
        name = text.removeprefix(f"{server.name}/")
        if server.models and name not in server.models and f"{name}:latest" not in server.models:
            known = did_you_mean(name, server.models[:MOST_SHOWN])
            raise SettingsError(f"--model {name}: {server.name} does not have this model{known}")
        whole = f"{server.name}/{name}"
        try:
            Spec(model=whole, phase="atomic", variant="native_api")
        except SpecError as problem:
            raise SettingsError(f"--model {name}: {problem}") from None
        return whole

    return Question(
        option="--model",
        text="Which model? Its name on the server",
        options=[Option(name) for name in server.models[:MOST_SHOWN]],
        default=server.models[0] if server.models else "",
        read=read,
    )


def answers_question() -> Question[str]:
    """Return the question about the kind of answers; the answer is a key of `STARTER_SUITES`."""

    def read(text: str) -> str:
        if text not in STARTER_SUITES:
            raise SettingsError(f"--answers {text}: is no kind of answers{did_you_mean(text, list(STARTER_SUITES))}")
        return text

    return Question(
        option="--answers",
        text="What are its answers?",
        options=[Option(name, suite.sentence) for name, suite in STARTER_SUITES.items()],
        default=next(iter(STARTER_SUITES)),
        read=read,
    )


def is_variable(name: str) -> bool:
    """Whether a text is the name of an environment variable, rather than the key itself."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None
