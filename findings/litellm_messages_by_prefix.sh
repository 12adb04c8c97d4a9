#!/usr/bin/env bash
# Packages: litellm 1.108.7 and, as the server behind it, xllamacpp 2026.10.11549 (PyPI).
#
# Behaviour: what LiteLLM makes of a request in Anthropic's format depends on the prefix of the model, for one and the
# same OpenAI-compatible server. With `hosted_vllm/` it asks /v1/chat/completions: limit, schema and stop reason arrive.
# With `openai/` it asks /v1/responses: a limit below 16 becomes 16, `output_config.format` and `stop_sequences` get
# lost. (That the answer at the limit says `end_turn` is llama.cpp's doing: llama_cpp_responses_completed.sh.)
#
# Guess before: both prefixes lead to the same translation, as they do for requests in OpenAI's format.
#
# Output seen:
#   openai/: 16 tokens of at most 5, end_turn; with a schema JSON: False; stops at "time": False
#   hosted_vllm/: 5 tokens of at most 5, max_tokens; with a schema JSON: True; stops at "time": True
set -euo pipefail
cd "$(dirname "$0")"
more_packages="litellm==1.108.7"
source llama_server.sh
LITELLM_LOCAL_MODEL_COST_MAP=True "$python" - "$address" 2>/dev/null <<'SCRIPT' | tee "$folder/seen"
import asyncio
import litellm
from asking import address, user

schema = {"type": "object", "properties": {"sky": {"enum": ["blue"]}}, "required": ["sky"], "additionalProperties": False}
question = user("Write a long story about a river.")


async def ask(prefix, **given):
    return await litellm.anthropic.messages.acreate(
        model=f"{prefix}smollm2", api_base=f"{address}/v1", api_key="none", messages=question, temperature=0, **given
    )


def text(answer):
    return answer["content"][0]["text"]


async def main():
    for prefix in ("openai/", "hosted_vllm/"):
        short = await ask(prefix, max_tokens=5)
        formed = await ask(prefix, max_tokens=60, output_config={"format": {"type": "json_schema", "schema": schema}})
        stopped = await ask(prefix, max_tokens=30, stop_sequences=["time"])
        print(
            f"{prefix}: {short['usage']['output_tokens']} tokens of at most 5, {short['stop_reason']}; "
            f"with a schema JSON: {text(formed).startswith('{')}; stops at \"time\": {'time' not in text(stopped)}"
        )


asyncio.run(main())
SCRIPT
diff "$folder/seen" - <<'EXPECTED'
openai/: 16 tokens of at most 5, end_turn; with a schema JSON: False; stops at "time": False
hosted_vllm/: 5 tokens of at most 5, max_tokens; with a schema JSON: True; stops at "time": True
EXPECTED
