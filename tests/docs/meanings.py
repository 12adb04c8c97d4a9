"""What each setting means, in a phrase: the page of all settings takes it from here, and refuses to be made without."""

from __future__ import annotations

from collections.abc import Mapping

_GATES = {
    "min_samples": "whole passes that a verdict needs",
    "variance": "most variance between runs, beyond the coin flips of the cases",
    "together": "the chance up to which cases that name no group count as moving together within passes",
    "restraint": "least share of the prompts that need no tool in which none is called",
    "extended_phase_min_accuracy": "least accuracy in the phase `extended`",
    "comparable": "most pairs without an answer on one side, as a share",
    "independent": "least answers that are no copies from a cache, as a share",
    "errors": "most calls without an answer, as a share",
    "latency": "most seconds for 95 % of the answers",
    "cost": "most USD for 1,000 answers",
    "cost_ratio": "how many times the baseline's cost a candidate may have; by default `max_cost_ratio`",
    "veto": "how many cases that the baseline always solves may be broken",
    "claim": "what a promotion has to hold for: these prompts, or new ones like them",
}
_GATE = {
    "min_accuracy": "least accuracy of what is in force",
    "min_restraint": "least restraint of what is in force",
    "max_p95_latency": "most seconds for 95 % of the answers",
    "max_cost": "most USD for 1,000 answers",
    "passes": "passes that a build makes",
    "compare": "what is in force is held against: its stored trials, itself asked beside, or nothing",
}
_TLS = {
    "tls_ca": "a file with the authorities that are trusted",
    "tls_cert": "a file with the certificate of this side, for mutual TLS",
    "tls_key": "a file with the key of that certificate",
}

MEANINGS: Mapping[str, Mapping[str, str]] = {
    "[tool.selfopt]": {
        "profile": "the rule of decision; `classic` guarantees nothing",
        "prices": "a price file of LiteLLM's form, relative to the settings: see [Costs](../how-to/costs.md)",
        "model": "whom a phase starts with",
        "state_dir": "the folder of ledger, history, logs and reports",
        "runner": "who makes the calls: `local`, `nats`, `temporal`, or one of [your own](../how-to/extend.md)",
        "max_cost_ratio": "how many times the baseline's cost a candidate may have: a better one that costs more waits",
        "candidates": "how many a cycle compares with the baseline",
        "routing": "the file that is rewritten, and that applications read",
        "reports": "whether pages are made after each cycle",
    },
    "[tool.selfopt.gates]": _GATES,
    "[tool.selfopt.gate]": _GATE,
    "[tool.selfopt.providers.PROVIDER]": {
        "wire": "the format it speaks",
        "base_url": "its address",
        "client": "`module:NAME` of a client of your own, instead of an address",
        "api_key_env": "the variable that holds its key; the key itself stands in no file",
        "max_concurrency": "calls to all its models under way at a time",
        "response_cache": "`avoid` asks past caches of answers, `allow` does not: see "
        "[Models](../how-to/models.md#gateways-that-cache-answers)",
    },
    "[tool.selfopt.models.MODEL]": {
        "provider": "whose it is; by default the one its name begins with, else `openai`",
        "base_url": "where it is, if not where its provider is; such an address never gets the provider's key",
        "api_key_env": "the variable that holds its key",
        "name": "its name on the wire; by default the id behind the first slash",
        "max_concurrency": "calls to it under way at a time",
        "price_in": "USD per million tokens asked; by default that of the price file, else unknown, never zero",
        "price_out": "USD per million tokens answered; as above",
        "price_cache_read": "USD per million prompt tokens that come from a cache; by default that of the price file, "
        "else `price_in`",
        "price_cache_write": "USD per million prompt tokens that go into a cache; as above",
        "max_tokens": "the limit of tokens of an answer whose spec names none, thinking included",
        "tier": "a name for models of like price",
        "context": "tokens of its window",
        "response_cache": "as above; by default that of its provider",
        "keep_alive": 'Ollama: how long it stays loaded, such as `"30m"`',
        "overlap": "whether a pass begins while the one before waits for its last replies; "
        "by default where models are always loaded",
        "pinned": "whether one worker makes all its calls; by default for embedded models",
        "path": "embedded models: a GGUF file",
        "port": "embedded models: the port of their server; 0 takes any",
    },
    "[tool.selfopt.models.MODEL.parameters]": {
        "schema_root": "`object` for a server that takes only schemas whose root is an object; by default what is "
        "known of the model; `temperature`, `top_p`, `seed`, `max_tokens` and `extra` are described under "
        "[What a model refuses](../how-to/models.md#what-a-model-refuses)",
        "strict": "sent with a schema; by default it is not",
    },
    "[tool.selfopt.budget]": {
        "warn": "USD above which a cycle warns before it begins",
        "max_calls": "most calls of a cycle",
        "max_cost": "most USD of a cycle",
    },
    "[tool.selfopt.variants]": {
        "VARIANT": "`module:NAME` of a manner of asking of your own: see [Writing your own](../how-to/extend.md)"
    },
    "[tool.selfopt.actions]": {
        "promote": "put a candidate that is better in force",
        "warm_up": "put a warm-up on trial after a cold start",
        "fall_back": "put the fallback on trial for a model that is not up to a phase",
        "retry": "put more retries on trial after calls without an answer",
        "longer_timeout": "put a longer time-out on trial after calls that timed out",
        "more_tokens": "put a higher limit of tokens on trial after answers that were cut off",
        "prove": "measure what is on trial right after the cycle",
    },
    "[tool.selfopt.tiers]": {"TIER": "models by name, for swarms and `selfopt batch`"},
    "[tool.selfopt.swarm]": {
        "max_concurrency": "calls of a swarm under way at a time; the limits of models and providers apply as well",
        "judge": "the model that makes one answer of free texts; by default a swarm's first member",
    },
    "[tool.selfopt.phases.PHASE]": {
        "baseline": "the spec that the phase starts with, as long as nothing was promoted",
        "fallback": "the model that stands in when the phase's own is not up to it",
    },
    "[tool.selfopt.phases.PHASE.gates]": _GATES,
    "[tool.selfopt.phases.PHASE.gate]": _GATE,
    "[tool.selfopt.search]": {
        "variants": "manners of asking that a candidate may have; `[]` keeps the baseline's",
        "models": "other models, or swarms such as `swarm:10@tier1`, that a candidate may have",
        "timeouts": "seconds that one attempt of a candidate may take",
        "retries": "attempts after the first that a candidate may make",
        "isolation": "whether a candidate is asked on fresh connections, without prompt cache",
        "warmup": "whether a candidate is asked one question that does not count first",
        "exhaustive": "whether candidates are tried, once nothing else is left, that cure no trouble that was measured",
        "max_tokens": "limits of an answer's tokens; the next higher one is tried only if a diagnosis asks for it",
    },
    "[tool.selfopt.nats]": {
        "ack_wait": "seconds after which the calls of a silent worker go to another one",
        "name": "what streams and subjects begin with",
        **_TLS,
        "credentials": "a credentials file (JWT and NKEY)",
        "nkey": "a file with an NKEY seed",
        "user": "a user; the password is read from `NATS_PASSWORD`",
        "servers": "addresses of one cluster",
    },
    "[tool.selfopt.temporal]": {
        "heartbeat": "seconds after which the calls of a silent worker go to another one",
        "name": "what queues and workflows begin with",
        "target": "host and port of the server",
        "namespace": "the namespace on the server",
        "tls": "whether the connection is encrypted; by default when there is an API key or a certificate",
        **_TLS,
    },
}
"""By table and key, as the page names them."""
