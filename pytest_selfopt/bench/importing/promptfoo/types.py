"""The types of promptfoo's assertions, and why cases cannot hold some of them."""

from __future__ import annotations

TYPES = (
    *("agent-rubric", "answer-relevance", "bleu", "classifier", "contains", "contains-all", "contains-any"),
    *("contains-html", "contains-json", "contains-sql", "contains-xml", "context-faithfulness", "context-recall"),
    *("context-relevance", "conversation-relevance", "cost", "equals", "factuality", "finish-reason", "g-eval"),
    *("gleu", "guardrails", "icontains", "icontains-all", "icontains-any", "is-html", "is-json", "is-refusal"),
    *("is-sql", "is-valid-function-call", "is-valid-openai-function-call", "is-valid-openai-tools-call", "is-xml"),
    *("javascript", "latency", "levenshtein", "llm-rubric", "pi", "meteor", "model-graded-closedqa"),
    *("model-graded-factuality", "moderation", "perplexity", "perplexity-score", "python", "regex", "rouge-n"),
    *("ruby", "similar", "similar:cosine", "similar:dot", "similar:euclidean", "starts-with", "tool-call-f1"),
    *("skill-used", "trajectory:goal-success", "trajectory:tool-args-match", "trajectory:step-count"),
    *("trajectory:tool-sequence", "trajectory:tool-used", "trace-error-spans", "trace-span-count"),
    *("trace-span-duration", "search-rubric", "webhook", "word-count"),
)
"""The assertions of promptfoo 0.123; in a table, what begins otherwise is a text to be equal to."""

_PROGRAMS = ("javascript", "python", "ruby", "webhook")
_MEASURES = ("latency", "cost", "perplexity", "perplexity-score", "tokens-used")
_COMPARISONS = ("select-best", "max-score")
_TOOLS = ("is-valid-function-call", "is-valid-openai-function-call", "is-valid-openai-tools-call")
_SCORES = ("levenshtein", "rouge-n", "bleu", "gleu", "meteor", "similar", "bertscore", "word-count", "character-count")


def reason_for(kind: str, plain: str) -> str:
    """Say why no expectation corresponds to a kind of assertion."""
    named = f"the assertion {kind!r}"
    if plain in _PROGRAMS:
        return f"{named} needs a program; write a grader of your own"
    if plain in _MEASURES:
        return f"{named} is about the call, not the answer"
    if plain in _COMPARISONS:
        return f"{named} compares the answers of several models"
    if plain in _TOOLS:
        return f"{named} checks calls by the tools of promptfoo's provider, which are not in its tests"
    if plain == "tool-call-f1":
        return f"{named} compares the names of tools only; a case expects calls with their arguments"
    if plain == "contains-json":
        return f"{named} finds JSON among words; a case's answer is JSON as a whole or in a code fence"
    if plain in _SCORES or plain.startswith("similar:"):
        return f"{named} is a score with a threshold, which cases do not have"
    if plain not in TYPES:
        return f"{named} is none that promptfoo knows"
    return f"{named} needs a model, a program or a metric that cases do not have"
