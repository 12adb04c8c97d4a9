#!/usr/bin/env bash
# Packages: genai-prices 0.2.3 and litellm 1.110.2 (PyPI), each with the price list that its wheel brings along.
#
# Behaviour: the two price lists that most tools of this field take their costs from do not agree on what the same
# tokens of the same model of the same provider cost. Mistral Large by its usual name costs four times as much by one
# list as by the other, Mistral Medium a fourth, Grok Code Fast under a third, DeepSeek's chat model six tenths. Claude
# Sonnet 4.5 agrees up to 200,000 prompt tokens; one token more doubles its whole price by one list and adds
# 0.000003 USD by the other. Gemini 2.5 Pro and GPT-5 agree at any length. So a limit on cost, or an order by price,
# depends on the list.
#
# Guess before: public prices of well-known models are the same in both lists.
#
# Output seen: the table at the end of this script (USD for 10,000 prompt and 1,000 answer tokens; then for longer ones).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python genai-prices==0.2.3 litellm==1.110.2
cat >prices.py <<'SCRIPT'
import litellm
from genai_prices import Usage, calc_price

SHORT = (
    ("mistral", "mistral/", "mistral-large-latest"),
    ("mistral", "mistral/", "mistral-medium"),
    ("x-ai", "xai/", "grok-code-fast-1"),
    ("deepseek", "deepseek/", "deepseek-chat"),
    ("google", "gemini/", "gemini-2.5-pro"),
    ("openai", "", "gpt-5"),
)
LONG = (
    ("anthropic", "", "claude-sonnet-4-5"),
    ("google", "gemini/", "gemini-2.5-pro"),
    ("openai", "", "gpt-5"),
)


def line(provider, prefix, model, prompt):
    usage = Usage(input_tokens=prompt, output_tokens=1000)
    one = calc_price(usage, model_ref=model, provider_id=provider).total_price
    two = sum(litellm.cost_per_token(model=prefix + model, prompt_tokens=prompt, completion_tokens=1000))
    print(f"{model} {prompt}: {float(one):.6f} {two:.6f}")


for row in SHORT:
    line(*row, 10_000)
for row in LONG:
    for prompt in (200_000, 200_001):
        line(*row, prompt)
SCRIPT
LITELLM_LOCAL_MODEL_COST_MAP=True environment/bin/python prices.py 2>log | tee seen
diff seen - <<'EXPECTED'
mistral-large-latest 10000: 0.026000 0.006500
mistral-medium 10000: 0.006000 0.022500
grok-code-fast-1 10000: 0.003500 0.012000
deepseek-chat 10000: 0.001900 0.003220
gemini-2.5-pro 10000: 0.022500 0.022500
gpt-5 10000: 0.022500 0.022500
claude-sonnet-4-5 200000: 0.615000 0.615000
claude-sonnet-4-5 200001: 1.222506 0.615003
gemini-2.5-pro 200000: 0.260000 0.260000
gemini-2.5-pro 200001: 0.515003 0.515003
gpt-5 200000: 0.260000 0.260000
gpt-5 200001: 0.260001 0.260001
EXPECTED
