"""Replies of providers and servers as they are documented or reported, and how each has to be read."""

from __future__ import annotations

from tests.models.reply_shapes import (
    anthropic,
    fast_clouds,
    gemini,
    litellm_proxy,
    local,
    mistral_deepseek,
    ollama,
    openai_azure,
    openrouter,
    vllm_sglang,
    xai_cohere_perplexity,
)

SHAPES = (
    *openai_azure.SHAPES,
    *openrouter.SHAPES,
    *anthropic.SHAPES,
    *gemini.SHAPES,
    *mistral_deepseek.SHAPES,
    *fast_clouds.SHAPES,
    *xai_cohere_perplexity.SHAPES,
    *litellm_proxy.SHAPES,
    *vllm_sglang.SHAPES,
    *local.SHAPES,
    *ollama.SHAPES,
)
