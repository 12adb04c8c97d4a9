"""The site of the documentation: `uv run sphinx-build -W docs docs/_build`."""

from __future__ import annotations

project = "pytest-selfopt"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
nitpicky = True
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3
html_theme = "furo"
html_title = project
# Nothing is loaded from elsewhere, as in the product.
html_static_path: list[str] = []
html_show_sourcelink = False
html_copy_source = False
