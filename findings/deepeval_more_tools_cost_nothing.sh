#!/usr/bin/env bash
# Package: deepeval 4.3.1 (PyPI).
#
# Behaviour: `ToolCorrectnessMetric` is the share of the expected tool calls that were made. Calls that nobody expected
# cost nothing, also the same tool twice, as long as one call is expected: a model that calls every tool for every
# question that needs one scores 1.0. With the parameters compared, one that nobody expected does cost. Half of the
# expected calls succeed, as the threshold is 0.5. `should_exact_match=True` counts the extra call, and the order of the
# calls too, which is an option of its own.
#
# Guess before: an unexpected call lowers the score, and an exact match of sets does not depend on the order.
#
# Output seen:
#   expected A, called A, B: 1.0, successful
#   expected A, called A, A: 1.0, successful
#   expected A, B, called A: 0.5, successful
#   expected nothing, called A: 0.0, not successful
#   with parameters, one too many: 0.667, successful
#   exact match, expected A, B, called B, A: 0.0, not successful
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python deepeval==4.3.1
cat >tools.py <<'SCRIPT'
from deepeval.metrics import ToolCorrectnessMetric
from deepeval.test_case import LLMTestCase, ToolCall, ToolCallParams

A, B = ToolCall(name="A"), ToolCall(name="B")


def show(label, expected, called, **options):
    metric = ToolCorrectnessMetric(include_reason=False, async_mode=False, **options)
    case = LLMTestCase(input="question", actual_output="answer", tools_called=called, expected_tools=expected)
    score = metric.measure(case, _show_indicator=False)
    successful = "successful" if metric.is_successful() else "not successful"
    print(f"{label}: {round(score, 3)}, {successful}")


show("expected A, called A, B", [A], [A, B])
show("expected A, called A, A", [A], [A, A])
show("expected A, B, called A", [A, B], [A])
show("expected nothing, called A", [], [A])
show(
    "with parameters, one too many",
    [ToolCall(name="A", input_parameters={"x": 1, "y": 2})],
    [ToolCall(name="A", input_parameters={"x": 1, "y": 2, "z": 3})],
    evaluation_params=[ToolCallParams.INPUT_PARAMETERS],
)
show("exact match, expected A, B, called B, A", [A, B], [B, A], should_exact_match=True)
SCRIPT
# The metric makes a client for its judge, although these scores need none: nothing is sent.
DEEPEVAL_TELEMETRY_OPT_OUT=YES OPENAI_API_KEY=unused environment/bin/python tools.py 2>log | tee seen
diff seen - <<'EXPECTED'
expected A, called A, B: 1.0, successful
expected A, called A, A: 1.0, successful
expected A, B, called A: 0.5, successful
expected nothing, called A: 0.0, not successful
with parameters, one too many: 0.667, successful
exact match, expected A, B, called B, A: 0.0, not successful
EXPECTED
