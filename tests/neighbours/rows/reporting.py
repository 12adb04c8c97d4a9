"""Plugins that show a session, or write it down."""

from __future__ import annotations

from tests.neighbours.row import Row
from tests.neighbours.rows.fixtures import loaded

ROWS = (
    loaded("pytest-html==4.2.0", "--html=report.html", "--self-contained-html"),
    loaded("pytest-json-report==1.5.0", "--json-report"),
    loaded("pytest-reportlog==1.0.0", "--report-log=log.jsonl"),
    loaded("pytest-sugar==1.1.1"),
    loaded("pytest-sugar==1.1.1", "--force-sugar"),
    loaded("pytest-rich==0.3.0", "--rich"),
    loaded("pytest-pretty==1.3.0"),
    loaded("pytest-instafail==0.5.0", "--instafail"),
    loaded("pytest-clarity==1.0.1"),
    loaded("allure-pytest==2.16.2", "--alluredir=allure"),
    loaded("pytest-md-report==0.8.0", "--md-report"),
    Row(
        title="pytest-github-actions-annotate-failures",
        packages=("pytest-github-actions-annotate-failures==0.4.2",),
        environment={"GITHUB_ACTIONS": "true"},
    ),
    loaded("pytest-custom-exit-code==0.3.0", "--suppress-no-test-exit-code"),
    Row(title="pytest --junitxml", options=("--junitxml=junit.xml",)),
)
