"""Who comes to a NATS server shows who it is, in every way that is documented; real servers let it in, or do not."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import nkeys
import pytest

from pytest_selfopt.errors import RunnerError
from pytest_selfopt.execution.dev_servers import nats_server
from pytest_selfopt.runners.nats.config import NatsConfig
from pytest_selfopt.runners.nats.connection import connect, have_consumer, have_streams
from pytest_selfopt.runners.nats.subjects import Subjects
from tests.certificates import Authority
from tests.servers import free_port, started

Begin = Callable[[str], str]
"""Starts a server with a configuration; returns its address."""

NAMES = Subjects("selfopt")
LEAST = '{publish: ["selfopt.>", "_INBOX.>", "$JS.API.>", "$JS.ACK.>"], subscribe: ["selfopt.>", "_INBOX.>"]}'
"""What docs/how-to/workers.md says that sessions and workers may need."""


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    with ExitStack() as held:

        def make(configuration: str) -> str:
            server = nats_server(tmp_path, free_port())
            settings = tmp_path / "nats.conf"
            settings.write_text(configuration)
            command = (*server.command, "-c", str(settings))
            return held.enter_context(started(replace(server, command=command)))

        yield make


def use(address: str, environment: Mapping[str, str]) -> int:
    """Come in with what the environment says, and use streams, consumers, messages and answers; what was read."""

    async def scenario() -> int:
        config = NatsConfig().with_environment({"NATS_URL": address, **environment})
        connection = await connect(config, "test")
        try:
            jetstream = connection.jetstream()
            await have_streams(jetstream, NAMES)
            await have_consumer(jetstream, NAMES, "own", "any", ack_wait_s=2, most=2)
            await jetstream.publish(NAMES.call("own", "any", "cycle", "call"), b"some call")
            pull = await jetstream.pull_subscribe_bind(NAMES.consumer("own", "any"), NAMES.calls)
            (message,) = await pull.fetch(1, timeout=5)
            await message.in_progress()
            await message.ack_sync(timeout=5)
            workers = await connection.subscribe(NAMES.workers)
            inbox = connection.new_inbox()
            answers = await connection.subscribe(inbox)
            await connection.publish(NAMES.workers, b"there?", reply=inbox)
            await (await workers.next_msg(timeout=5)).respond(b"here")
            assert (await answers.next_msg(timeout=5)).data == b"here"
            return len(message.data)
        finally:
            await connection.close()

    return asyncio.run(scenario())


def refused(address: str, environment: Mapping[str, str]) -> str:
    """What is said to one that is not let in."""
    with pytest.raises(RunnerError) as problem:
        use(address, environment)
    said = str(problem.value)
    assert f"no usable NATS server at {address}" in said
    return said


def test_user_and_password_need_only_documented_rights(begin: Begin) -> None:
    address = begin(f'authorization {{users: [{{user: "ann", password: "pass word", permissions: {LEAST}}}]}}')
    assert use(address, {"NATS_USER": "ann", "NATS_PASSWORD": "pass word"}) == 9
    assert "Authorization Violation" in refused(address, {"NATS_USER": "ann", "NATS_PASSWORD": "other"})
    assert "Authorization Violation" in refused(address, {})


def test_a_token(begin: Begin) -> None:
    address = begin('authorization {token: "a-token"}')
    assert use(address, {"NATS_TOKEN": "a-token"}) == 9
    assert "Authorization Violation" in refused(address, {"NATS_TOKEN": "another"})


def seed(prefix: int) -> bytes:
    made: bytes = nkeys.encode_seed(os.urandom(32), prefix)
    return made


def public(of: bytes) -> str:
    key: bytes = nkeys.from_seed(bytearray(of)).public_key
    return key.decode()


def test_an_nkey(begin: Begin, tmp_path: Path) -> None:
    mine, other = seed(nkeys.PREFIX_BYTE_USER), seed(nkeys.PREFIX_BYTE_USER)
    (tmp_path / "mine.nk").write_bytes(mine)
    (tmp_path / "other.nk").write_bytes(other)
    address = begin(f"authorization {{users: [{{nkey: {public(mine)}}}]}}")
    assert use(address, {"NATS_NKEY": str(tmp_path / "mine.nk")}) == 9
    assert "Authorization Violation" in refused(address, {"NATS_NKEY": str(tmp_path / "other.nk")})
    with pytest.raises(RunnerError, match=r"credentials for NATS cannot be used .*none\.nk.*file not found"):
        use(address, {"NATS_NKEY": str(tmp_path / "none.nk")})


def signed(by: bytes, subject: str, claims: dict[str, Any]) -> str:
    """A JWT as NATS writes them."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    head = {"typ": "JWT", "alg": "ed25519-nkey"}
    body = {
        "jti": os.urandom(16).hex(),
        "iat": int(time.time()),
        "iss": public(by),
        "name": "test",
        "sub": subject,
        "nats": {"version": 2, **claims},
    }
    said = f"{part(json.dumps(head).encode())}.{part(json.dumps(body).encode())}"
    return f"{said}.{part(nkeys.from_seed(bytearray(by)).sign(said.encode()))}"


def test_a_credentials_file(begin: Begin, tmp_path: Path) -> None:
    operator = seed(nkeys.PREFIX_BYTE_OPERATOR)
    system, account = seed(nkeys.PREFIX_BYTE_ACCOUNT), seed(nkeys.PREFIX_BYTE_ACCOUNT)
    unlimited = dict.fromkeys(["subs", "data", "payload", "imports", "exports", "conn", "leaf"], -1)
    storage = dict.fromkeys(["mem_storage", "disk_storage", "streams", "consumer"], -1)
    accounts = {
        public(one): signed(
            operator, public(one), {"type": "account", "limits": {**unlimited, "wildcards": True, **more}}
        )
        for one, more in ((system, {}), (account, storage))
    }
    root = signed(operator, public(operator), {"type": "operator", "system_account": public(system)})
    preload = "\n".join(f"{name}: {text}" for name, text in accounts.items())
    address = begin(
        f"operator: {root}\nsystem_account: {public(system)}\nresolver: MEMORY\nresolver_preload: {{\n{preload}\n}}\n"
    )

    def credentials(issuer: bytes) -> str:
        user = seed(nkeys.PREFIX_BYTE_USER)
        claims = {"type": "user", "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1}
        file = tmp_path / f"{public(user)}.creds"
        file.write_text(
            f"-----BEGIN NATS USER JWT-----\n{signed(issuer, public(user), claims)}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.decode()}\n------END USER NKEY SEED------\n"
        )
        return str(file)

    assert use(address, {"NATS_CREDS": credentials(account)}) == 9
    assert "Authorization Violation" in refused(address, {"NATS_CREDS": credentials(seed(nkeys.PREFIX_BYTE_ACCOUNT))})
    with pytest.raises(RunnerError, match=r"credentials for NATS cannot be used .*none\.creds.*file not found"):
        use(address, {"NATS_CREDS": str(tmp_path / "none.creds")})


# Where a server refuses a certificate after the client's handshake is over (TLS 1.3), nats-py may leave its connection
# to the garbage collector, which warns of it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_and_mutual_tls(begin: Begin, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other").give("stranger")
    server, client = authority.give("server"), authority.give("client")
    address = begin(
        f'tls {{cert_file: "{server.cert}", key_file: "{server.key}", ca_file: "{authority.cert}", verify: true}}'
    )
    known = {"NATS_CA": str(authority.cert)}
    assert use(address, {**known, "NATS_CERT": str(client.cert), "NATS_KEY": str(client.key)}) == 9
    unknown = refused(address, {**known, "NATS_CERT": str(stranger.cert), "NATS_KEY": str(stranger.key)})
    assert "unknown ca" in unknown.lower()
    assert "certificate required" in refused(address, known).lower().replace("_", " ")
    assert "CERTIFICATE_VERIFY_FAILED" in refused(address, {"NATS_CA": str(stranger.cert)})
    with pytest.raises(RunnerError, match=r"certificates for NATS cannot be used .*none\.pem.*No such file"):
        use(address, {"NATS_CA": str(tmp_path / "none.pem")})
