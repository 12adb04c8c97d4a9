"""The scripted model server: real HTTP on loopback, in three wire formats, with behaviour from a script.

It replaces the provider. A script is a mapping (or YAML) such as

    suite: atomic.jsonl
    latency: 0.01
    seed: 7
    load: 2.5
    rules:
      - when: {first: 3}
        then: {text: I am still waking up.}
      - when: {busy: 8}
        then: {status: 429, retry_after: 1}
      - when: {case: weather-paris, constrained: true}
        then: {call: {name: get_weather, arguments: {city: Paris}}}
      - when: {chance: 0.8}
        then: {expected: true}
    default: {text: I do not know.}

The first rule that applies gives the answer, else the default. `docs/how-to/scripted.md` lists every key.
"""

from __future__ import annotations

from pytest_selfopt.models.scripted.read_script import load_script, parse_script
from pytest_selfopt.models.scripted.script import Script, Then, When
from pytest_selfopt.models.scripted.server import ScriptedServer

__all__ = ["Script", "ScriptedServer", "Then", "When", "load_script", "parse_script"]
