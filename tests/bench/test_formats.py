"""JSON Schemas check formats, and divide numbers as they are written."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.grading.formats import FORMATS
from pytest_selfopt.bench.grading.json_schema import check_schema, first_problem, problem_in


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("date", "2024-02-29", "2023-02-29 2024-2-29 20240229"),
        ("time", "08:30:06Z 23:59:60Z 01:29:60+01:30", "08:30:06 24:00:00Z 22:59:60Z 08:30:06+24:00"),
        ("date-time", "2024-02-29T08:30:06.5-08:00", "2024-02-29 2024-02-30T08:30:06Z 2024-02-29T08:30"),
        ("duration", "P4Y P1M2D PT1H30M P2W", "P PT P1Y2W 1D P1D2H PT1D"),
        ("email", 'joe@example.com te~st@a.b "j"@x.org joe@[127.0.0.1]', "joe @b.c a@ .a@b.c a..b@c.d joe@[1.2]"),
        ("hostname", "example.com a 1.a-b", "-a.com a_b a..b exämple.com"),
        ("ipv4", "127.0.0.1", "127.0.0 256.1.1.1 01.2.3.4 127.0.0.1/8"),
        ("ipv6", "::1 12:34::ffff:1.2.3.4", "12345:: ::1%eth0 1::2::3"),
        ("uri", "https://a.b:80/c?d#e urn:x:y mailto:a@b.c http://[::1]/ a:", "a.b/c //a http://a{b} http://[:::1] :a"),
        ("uri-reference", "/a //b/c #d ?e a/b:c", "a\\b #a\\b"),
        ("uuid", "2EB8AA08-aa98-11ea-b4aa-73b441d16380", "2eb8aa08aa9811eab4aa73b441d16380 2eb8-aa08"),
        ("json-pointer", "/a/~0~1 //", "a /~ /~2"),
        ("relative-json-pointer", "0 1/a 2#", "-1 01 /a 0##"),
        ("regex", "a+ (?:b)", "( *a"),
    ],
)
def test_formats_are_checked(name: str, right: str, wrong: str) -> None:
    for text in right.split():
        assert first_problem({"format": name}, text) == ""
    for text in wrong.split():
        if name == "date-time":
            assert not FORMATS[name](text)
        assert "is not a" in first_problem({"format": name}, text)
    assert first_problem({"format": name}, 5) == ""


@given(st.text(), st.sampled_from(sorted(FORMATS)))
def test_every_text_has_a_format_or_not(text: str, name: str) -> None:
    assert FORMATS[name](text) in (True, False)


@given(st.datetimes(), st.integers(-1439, 1439))
def test_moments_have_the_format_of_moments(moment: datetime, offset: int) -> None:
    zone = timezone(timedelta(minutes=offset))
    text = moment.replace(tzinfo=zone).isoformat()
    assert FORMATS["date-time"](text)


@pytest.mark.parametrize(
    "schema",
    [
        {"format": "datetime"},
        {"properties": {"format": {"format": "e-mail"}}},
        {"anyOf": [{"items": {"format": "uri_reference"}}]},
    ],
)
def test_a_misspelled_format_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"its format '[\w-]+' is not known; did you mean"):
        check_schema(schema)


@pytest.mark.parametrize("name", ["int32", "binary", "decimal", "json-string", "iri-reference"])
def test_other_formats_are_annotations(name: str) -> None:
    check_schema({"format": name})
    assert not problem_in({"format": name}, '"anything"')


def test_data_and_names_are_no_formats() -> None:
    check_schema({"properties": {"format": {"enum": [{"format": "x"}]}}, "const": {"format": "y"}})


def test_a_schema_too_deep_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(500):
        schema = {"items": schema}
    with pytest.raises(ValueError, match="nested too deeply"):
        check_schema(schema)


@given(st.integers(-(10**30), 10**30), st.integers(0, 6), st.integers(1, 10**6), st.integers(0, 6))
def test_multiples_are_exact(digits: int, places: int, step_digits: int, step_places: int) -> None:
    value = Decimal(digits % 10**15).scaleb(-places)
    step = Decimal(step_digits).scaleb(-step_places)
    text = f"{value:f}"
    problem = problem_in({"multipleOf": float(step)}, text)
    assert (problem == "") == (value % step == 0)
    assert (problem_in({"multipleOf": step_digits}, str(digits)) == "") == (digits % step_digits == 0)


def test_numbers_beyond_floats_are_no_multiples() -> None:
    assert problem_in({"multipleOf": 0.1}, "0.3") == ""
    assert problem_in({"multipleOf": 0.1}, "0.35") == "at $: 0.35 is not a multiple of 0.1"
    assert problem_in({"multipleOf": 0.1}, "1e400") == "at $: inf is not a multiple of 0.1"


def test_data_of_a_schema_refer_to_nothing() -> None:
    check_schema({"const": {"$ref": "#/a"}, "enum": [{"$ref": "a"}], "examples": [{"$ref": "a"}]})
    with pytest.raises(ValueError, match=r"its \$ref '#/a' leads nowhere"):
        check_schema({"properties": {"x": {"$ref": "#/a"}}})


REMOTE = "https://example.org/s.json"
DRAFT_2019 = "https://json-schema.org/draft/2019-09/schema"


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"$ref": REMOTE}, "its $ref 'https://example.org/s.json' leads out of the schema; copy"),
        ({"$dynamicRef": REMOTE}, "its $dynamicRef 'https://example.org/s.json' leads out of the schema; copy"),
        ({"properties": {"a": {"$dynamicRef": f"{REMOTE}#node"}}}, "its $dynamicRef"),
        ({"not": {"unevaluatedItems": False, "$dynamicRef": "#node"}}, "its $dynamicRef '#node' leads nowhere"),
        ({"$defs": {"A": {"$ref": REMOTE}}}, "its $ref"),
        ({"x": {"A": {"items": {"$dynamicRef": REMOTE}}}, "items": {"$ref": "#/x/A"}}, "its $dynamicRef"),
        ({"$schema": DRAFT_2019, "items": {"$recursiveRef": REMOTE}}, "can only be '#'"),
        ({"$schema": "https://example.org/dialect"}, "its $schema 'https://example.org/dialect' names a dialect"),
        ({"$schema": REMOTE, "$vocabulary": {REMOTE: True}}, "nothing is fetched from the network; leave it out"),
        ({"$id": "https://example.org/root.json", "items": {"$ref": "other.json"}}, "its $ref 'other.json' leads out"),
        ({"items": {"$id": "https://e.org/a", "items": {"$ref": "#/$defs/x"}}, "$defs": {"x": {}}}, "leads nowhere"),
        ({"items": {"$ref": "#/items"}}, "leads back to itself without end"),
        ({"$dynamicAnchor": "a", "$dynamicRef": "#a"}, "lead back to themselves without end"),
    ],
)
def test_references_that_lead_nowhere_are_refused(schema: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "text", "place"),
    [
        ({"$dynamicAnchor": "a", "properties": {"a": {"$dynamicRef": "#a"}}, "type": "object"}, '{"a": 1}', "$.a"),
        ({"$schema": DRAFT_2019, "items": {"$recursiveRef": "#"}, "type": "array"}, "[[1]]", "$[0][0]"),
        ({"items": {"$id": "a", "items": {"$ref": "#/$defs/x"}, "$defs": {"x": {"type": "null"}}}}, "[[1]]", "$[0][0]"),
        ({"$schema": "https://json-schema.org/draft-07/schema#", "type": "object"}, "1", "$"),
        ({"$schema": DRAFT_2019, "multipleOf": 0.1, "items": {"$ref": "#"}}, "[0.3, 0.35]", "$[1]"),
        ({"$ref": "https://json-schema.org/draft/2020-12/schema"}, '{"type": 1}', "$.type"),
    ],
)
def test_references_inside_a_schema_are_followed(schema: dict[str, Any], text: str, place: str) -> None:
    check_schema(schema)
    problem = problem_in(schema, text)
    assert problem is not None
    assert problem.startswith(f"at {place}: ")
