#!/usr/bin/env bash
# Packages: mcp 2.3.0, openai-agents 0.24.0, langchain-core 1.8.3, pydantic-ai-slim 2.68.0, ollama 0.6.3, google-genai
# 3.6.1 (PyPI).
#
# Behaviour: each of these makes a tool's schema of a Python function, and one function becomes six questions to a
# model. Of six arguments, four with defaults, two are required by four of them, five by Ollama's client (all but the
# one that may be None, and without what is in the list), and six by the Agents SDK, strict by default. The
# descriptions of arguments in the docstring are the arguments' own for Pydantic AI, the Agents SDK, Ollama and
# LangChain's converter; for LangChain's `@tool` and Google's client they stay in the text of the tool, and for MCP,
# too. So a score of tool calls measures the library as well, and does not carry over to another.
#
# Guess before: an argument with a default is optional in all of them, and the docstring describes the arguments.
#
# Output seen:
#   mcp: required 2, described 0, with default 4, type of items True
#   openai-agents: required 6, described 6, with default 3, type of items True
#   openai-agents, not strict: required 2, described 6, with default 4, type of items True
#   langchain-core: required 2, described 6, with default 4, type of items True
#   langchain-core @tool: required 2, described 0, with default 4, type of items True
#   pydantic-ai: required 2, described 6, with default 4, type of items True
#   ollama: required 5, described 6, with default 0, type of items False
#   google-genai: required 2, described 0, with default 3, type of items True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python \
  mcp==2.3.0 openai-agents==0.24.0 langchain-core==1.8.3 pydantic-ai-slim==2.68.0 ollama==0.6.3 \
  google-genai==3.6.1
cat >check.py <<'SCRIPT'
from typing import Literal

from agents import function_tool
from google.genai.types import FunctionDeclaration
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from mcp.server.mcpserver.tools import Tool as McpTool
from ollama._utils import convert_function_to_tool
from pydantic_ai import Tool as PydanticTool


def search(
    city: str,
    days: int,
    price: float = 99.5,
    airline: str | None = None,
    seat: Literal["aisle", "window"] = "aisle",
    stops: list[int] = [],
) -> str:
    """Search flights.

    Args:
        city: Where to.
        days: How many days.
        price: The highest price.
        airline: The airline.
        seat: The seat.
        stops: The stops.
    """
    return ""


google = FunctionDeclaration.from_callable_with_api_option(callable=search, api_option="GEMINI_API")
schemas = {
    "mcp": McpTool.from_function(search).parameters,
    "openai-agents": function_tool(search).params_json_schema,
    "openai-agents, not strict": function_tool(search, strict_mode=False).params_json_schema,
    "langchain-core": convert_to_openai_tool(search)["function"]["parameters"],
    "langchain-core @tool": convert_to_openai_tool(tool(search))["function"]["parameters"],
    "pydantic-ai": PydanticTool(search).function_schema.json_schema,
    "ollama": convert_function_to_tool(search).function.parameters.model_dump(exclude_none=True),
    "google-genai": google.model_dump(exclude_none=True)["parameters"],
}
for name, schema in schemas.items():
    arguments = schema["properties"].values()
    described = sum("description" in argument for argument in arguments)
    defaults = sum("default" in argument for argument in arguments)
    items = "items" in schema["properties"]["stops"]
    required = len(schema["required"])
    print(f"{name}: required {required}, described {described}, with default {defaults}, type of items {items}")
SCRIPT
environment/bin/python -W ignore check.py 2>log | tee seen
diff seen - <<'EXPECTED'
mcp: required 2, described 0, with default 4, type of items True
openai-agents: required 6, described 6, with default 3, type of items True
openai-agents, not strict: required 2, described 6, with default 4, type of items True
langchain-core: required 2, described 6, with default 4, type of items True
langchain-core @tool: required 2, described 0, with default 4, type of items True
pydantic-ai: required 2, described 6, with default 4, type of items True
ollama: required 5, described 6, with default 0, type of items False
google-genai: required 2, described 0, with default 3, type of items True
EXPECTED
