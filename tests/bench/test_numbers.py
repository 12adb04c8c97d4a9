"""Numbers are read in every documented notation, exactly, and nothing is guessed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.grading.expect import Number
from pytest_selfopt.bench.grading.notation.last_number import last_number
from pytest_selfopt.bench.grading.numbers import LOCALES, as_decimal, write_number
from pytest_selfopt.bench.grading.read_expect import expectation_from_json
from pytest_selfopt.trial import Reply, ToolCall
from tests.bench.growth import is_quadratic
from tests.bench.hostile_replies import NUMBERS

FRAMES = ["{}", "so it is {}.", "1 and then {}", "= {} km", "**{}**", "CO2: {}%", "(7) {}, see x2", "\\boxed{{{}}}"]
BLANKS = [" ", "\u00a0", "\u2009", "\u202f", "\\,", "'", "\u2019", "_"]
TEX_GAPS = [
    "{,}",
    ",\\!",
    "{,\\!}",
    "{\\,}",
    "\\,",
    "\\;",
    "\\:",
    "\\ ",
    "{\\ }",
    "\\text{,}",
    "\\mathord{,}",
    "\\!",
    "&nbsp;",
]
CURRENCIES = [
    "",
    "$",
    "\\$",
    "$ ",
    "US$",
    "US\\$",
    "£ ",
    "€",
    "₹",
    "Rs. ",
    "EUR ",
    "\\,",
    "{",
    "**",
    "\\textbf{",
    "<b>",
]
NEGATIVE = ["-", "−", "\u2011", "–", "{-}", "\\(-\\)", "$-$", "\\text{-}", "&minus;"]
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def value_of(text: str, locale: str = "") -> Decimal | None:
    number = last_number(text, locale)
    return None if number is None else number.value


def grouped(digits: str, sign: str, size: int = 3) -> str:
    """Digits with a sign before the last three, and before each `size` of those in front of them."""
    head, tail = digits[:-3], digits[-3:]
    parts = [tail]
    while head:
        parts.insert(0, head[-size:])
        head = head[:-size]
    return sign.join(parts)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9{,}500", "9500"),
        ("0,5", "0.5"),
        ("0{,}5", "0.5"),
        ("1,00,000", "100000"),
        ("12,34,567.5", "1234567.5"),
        ("1’234", "1234"),
        ("1'234.5", "1234.5"),
        ("42 kg of CO2", "42"),
        ("42 m^2, or 42 m^{2}", "42"),
        ("1_000", "1000"),
        ("1.234,5", "1234.5"),
        ("1.234.567", "1234567"),
        ("1 234 567,89 €", "1234567.89"),
        ("3×10^5", "300000"),
        ("3 x 10^5", "300000"),
        ("3\\cdot10^{5}", "300000"),
        ("3.5 \\times 10^{-2}", "0.035"),
        ("1.234×10^3", "1234"),
        ("10⁵", "100000"),
        ("-2.5e-3", "-0.0025"),
        ("−5", "-5"),
        ("–5", "-5"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("-\\$1{,}234.50", "-1234.5"),
        ("-.45", "-0.45"),
        ("50%", "50"),
        ("42.", "42"),
        ("#5", "5"),
        ("the 3rd", "3"),
        ("No.5", "5"),
        ("10-20", "20"),
        ("(a)-5", "5"),
        ("答案是-42", "-42"),
        ("_42_", "42"),
        ("**42**", "42"),
    ],
)
def test_a_notation_is_read(text: str, value: str) -> None:
    assert value_of(text) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("- 5", "5"),
        ("Items:\n- 3\n- 5", "5"),
        ("> - 5", "5"),
        ("Costs:\n- $10\n- $42", "42"),
        ("- $42", "-42"),
        ("− 42", "-42"),
        ("x = - 5", "-5"),
        ("x\\approx-5", "-5"),
        ("\\text{Profit: }-42", "-42"),
        ("**Profit:** - 42 €", "-42"),
        ("-\\left(42\\right)", "-42"),
        ("| Net | - 42 |", "-42"),
        ("-(42)", "-42"),
        ("7 or USD -42", "-42"),
        ("-\\text{US\\$}42", "-42"),
        ("\\text{is }-42", "-42"),
        ("7 or -Rs.42", "-42"),
        ("is \u201142 °C", "-42"),
        ("10 - 5", "5"),
        ("10{-}5", "5"),
        ("3–5", "5"),
        ("10\u201120", "20"),
        ("10--20", "20"),
        ("5 € - 10 €", "10"),
        ("(a) - 5", "5"),
    ],
)
def test_a_sign_is_told_from_a_dash(text: str, value: str) -> None:
    assert value_of(text) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42 cm^ 2", "42"),
        ("42 m<sup>2</sup>", "42"),
        ("42 m²", "42"),
        ("42 \\text{ cm}^\\text{2}", "42"),
        ("42 m ** 2", "42"),
        ("10 ** 2", "100"),
        ("-€**5**", "-5"),
        ("Loss: −EUR  5", "-5"),
        ("-$ **5**", "-5"),
        ("- £*5*", "-5"),
        ("42^{\\circ}", "42"),
        ("42^{\\text{nd}}", "42"),
        ("3 \\, \\times \\, 10^{ 5 }", "300000"),
        ("3 × 10<sup>5</sup>", "300000"),
        ("x \\approx5", "5"),
        ("42 \\tag{1}", "42"),
        ("x &= 42 \\\\[4pt]", "42"),
        ("[1,2,42]", "42"),
        ("[100,200,300]", "300"),
        ('{"all":[100,200,300]}', "300"),
        ("[[1,2],[3,4]]", "4"),
        ("[1.5,2.5]", "2.5"),
        ("\\{1,2,3\\}", "3"),
        ("(1,2)", "2"),
        ("\\left(1,2\\right)", "2"),
        ("($1,234)", "1234"),
        ("\\[1,234\\]", "1234"),
        ("7 [1]", "7"),
        ("7 [12].", "7"),
        ("7[^1]", "7"),
        ("7[^1]\n\n[^1]: Smith 2019, p. 42", "7"),
        ("7 [1].\n\nSources:\n[1] Smith 2019, p. 42\n", "7"),
        ("7% [1, 2]", "7"),
        ("7 km [1][2]", "7"),
        ("7<sup>[1]</sup>", "7"),
        ("7 [1](https://example.org/2021)", "7"),
        ("7 ([a](https://example.org/2021))", "7"),
        ("7【4†source】", "7"),
        ("the answer is [42].", "42"),
    ],
)
def test_marks_around_an_answer_change_nothing(text: str, value: str) -> None:
    assert value_of(text) == Decimal(value)


@pytest.mark.parametrize(
    "other",
    [
        *("CO2", "H2O", "x2", "x_1", "x_{12}", "x^2", "m^{-2}", "x**2", "GPT-4", "Covid-19", "v1.2.3", "3.14.15"),
        *("2024-05-17", "17/05/2024", "17.05.2024", "12:30", "0x1F", "2h30", "10H2O"),
    ],
)
def test_what_is_no_number_is_passed_over(other: str) -> None:
    assert value_of(f"7 or {other}") == 7
    assert value_of(other) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1/2", "'1/2' is a fraction"),
        ("½", "'½' is a fraction"),
        ("1½", "'1½' is a fraction"),
        ("\\frac{1}{2}", "is a fraction"),
        ("2^10", "'2^10' is a power"),
        ("5²", "'5²' is a power"),
        ("1 / 2", "is a fraction"),
        ("1⁄2", "is a fraction"),
        ("1\\/2", "is a fraction"),
        ("{1 \\over 2}", "is a fraction"),
        ("\\frac12", "is a fraction"),
        ("5\\tfrac12", "is a fraction"),
        ("\\cfrac[l]{1}{7}", "is a fraction"),
        ("5¹⁄₂", "is a fraction"),
        ("\\dfrac{7}{x^{2}}", "is a fraction"),
        ("\\pi/2", "is a fraction"),
        ("1/\\sqrt{x}", "is a fraction"),
        ("2\\sqrt{3}", "is a part of an expression"),
        ("2√3", "is a part of an expression"),
        ("2 * sqrt(3)", "is a part of an expression"),
        ("2\\pi", "is a part of an expression"),
        ("2 π", "is a part of an expression"),
        ("\\binom{4}{2}", "is a part of an expression"),
        ("{4 \\choose 2}", "is a part of an expression"),
        ("C(4,2)", "is a part of an expression"),
        ("42 \\pmod{7}", "is a part of an expression"),
        ("7 (mod n)", "is a part of an expression"),
        ("3 + 7i", "is a part of an expression"),
        ("2x + 7", "is a part of an expression"),
        ("\\boxed{7x}", "is a part of an expression"),
        ("6 × 7", "is a part of an expression"),
        ("x = \\pm 7", "is a part of an expression"),
        ("0.\\overline{7}", "is a part of an expression"),
        ("0.(7)", "is a part of an expression"),
        ("\\log_2 7", "is a part of an expression"),
        ("10_{2}", "is a part of an expression"),
        ("-(7 + 2)", "is a part of an expression"),
        ("6 \\times \\left(7\\right)", "is a part of an expression"),
        ("2\\left(7\\right)", "is a part of an expression"),
        ("2 * (7)", "is a part of an expression"),
        ("1/\\bigl(7\\bigr)", "is a fraction"),
        ("10^{n}", "is a power"),
        ("2 ** 10", "is a power"),
        ("10^{6.5}", "is a power"),
        ("(-7)^2", "is a power"),
        ("7<sup>2</sup>", "is a power"),
        ("the answer is - 7", "'- 7' may be positive or negative"),
        ("minus 7", "'minus 7' may be positive or negative"),
        ("10 -7", "may be positive or negative"),
        ("(1,234)", "may be one number or several"),
        ("[7 100]", "may be one number or several"),
        ("[7, 100,200]", "may be one number or several"),
        ("50~100", "may be one number or several"),
        ("7 apples [2]", "may be the answer or a source of it"),
        ("$7 million", "is written with a word for a power of ten"),
        ("7 Mio. €", "is written with a word for a power of ten"),
        ("7\\text{ billion}", "is written with a word for a power of ten"),
        ("€7k", "is written with a word for a power of ten"),
        ("1 234\u202f567", "is not written as numbers are in any locale"),
        (".1,234", "is not written as numbers are in any locale"),
        ("2,345,67", "'2,345,67' is not written as numbers are in any locale"),
        ("1e9999999", "is too large"),
    ],
)
def test_what_is_not_read_says_why(text: str, problem: str) -> None:
    for value in (0.5, 2, 10, 67, 7):
        judgement = Number(value).judge(Reply(text=f"7, so {text}"))
        assert not judgement.passed
        assert problem in judgement.reason


@pytest.mark.parametrize(
    ("text", "locale", "value"),
    [
        ("1,234", "", "1234"),
        ("1.234", "", "1.234"),
        ("1,234", "en", "1234"),
        ("1,234", "in", "1234"),
        ("1,234", "de", "1.234"),
        ("1.234", "de", "1234"),
        ("1,234", "fr", "1.234"),
        ("1.234", "ch", "1.234"),
        ("1.234", "fr", None),
        ("1,234", "ch", None),
        ("1.234,50 und 2.500", "", None),
        ("1.234,50 und 2.500", "de", "2500"),
    ],
)
def test_a_locale_decides_between_two_readings(text: str, locale: str, value: str | None) -> None:
    assert value_of(text, locale) == (None if value is None else Decimal(value))


def test_a_miss_names_the_other_reading() -> None:
    reasons = {
        "1.234": "expected the number 1234, but '1.234' is 1234 only in another locale; name it",
        "1.000,5, 1.234": "expected the number 1234, but '1.234' may be 1.234 or 1234; name the case's locale",
    }
    for text, reason in reasons.items():
        assert Number(1234).judge(Reply(text=text)).reason == reason
        assert Number(1234, locale="de").judge(Reply(text=text)).passed


@given(
    st.integers(0, 10**24),
    st.decimals(0, 1, places=4, allow_nan=False).filter(lambda part: part < 1),
    st.sampled_from(["", "-", "−", "+"]),
    st.sampled_from(sorted(LOCALES)),
    st.sampled_from([*BLANKS, "locale", "lakh", ""]),
    st.sampled_from(FRAMES),
)
def test_any_notation_reads_as_its_value(
    whole: int, part: Decimal, sign: str, locale: str, between: str, frame: str
) -> None:
    point, thousands = LOCALES[locale]
    if between == "locale":
        between = thousands
    if between == "lakh":
        locale, point = "in", "."
        digits = grouped(str(whole), ",", 2)
    else:
        digits = grouped(str(whole), between)
    text = f"{sign}{digits}"
    if part:
        text = f"{text}{point}{str(part)[2:]}"
    # Sums and signs of Decimals are rounded.
    value = Decimal(f"{whole}.{str(part)[2:]}")
    if sign in ("-", "−"):
        value = value.copy_negate()
    assert value_of(frame.format(text), locale) == value


@given(
    st.integers(1000, 10**12),
    st.sampled_from(TEX_GAPS),
    st.sampled_from(["", *NEGATIVE]),
    st.sampled_from(CURRENCIES),
    st.sampled_from(
        ["{}", "x = {}", "\\boxed{{{}}}", "\\(x={}\\)", "\\[ {} \\]", "It is **{}**", "{}$", "7; {}\\text{{ m}}^2"]
    ),
)
def test_tex_around_digits_changes_no_value(value: int, between: str, sign: str, currency: str, frame: str) -> None:
    closing = {"{": "}", "**": "**", "\\textbf{": "}", "<b>": "</b>"}.get(currency, "")
    text = f"{sign}{currency}{grouped(str(value), between)}{closing}"
    if sign:
        value = -value
    assert value_of(frame.format(text)) == value


@given(
    st.lists(st.integers(0, 999).map(str), min_size=2, max_size=6),
    st.sampled_from(["[{}]", "\\{{{}\\}}", "x = [{}].", "[[{}]]"]),
)
def test_the_last_item_of_a_list_counts(items: list[str], frame: str) -> None:
    assert value_of(frame.format(",".join(items))) == int(items[-1])


@given(
    st.decimals(0, 1000, places=2, allow_nan=False),
    st.integers(1, 999),
    st.sampled_from(["{} [{}]", "{}[^{}]", "{}% [{}]."]),
)
def test_a_citation_is_no_answer(value: Decimal, note: int, form: str) -> None:
    assert value_of(form.format(value, note)) == value


@given(
    st.integers(0, 999),
    st.integers(1, 999),
    st.sampled_from(
        [
            "{} / {}",
            "{}⁄{}",
            "{}\\/{}",
            "{{{} \\over {}}}",
            "\\frac{{{}}}{{{}}}",
            "{}\\sqrt{{{}}}",
            "{} \\pmod{{{}}}",
            "{} × {}",
        ]
    ),
    st.sampled_from(["{}", "-{}", "7, so {}", "\\boxed{{{}}}", "${}$", "**{}**"]),
)
def test_no_part_passes_for_the_whole(one: int, other: int, form: str, frame: str) -> None:
    text = frame.format(form.format(one, other))
    for part in (one, other, -one, -other, 7):
        judgement = Number(part).judge(Reply(text=text))
        assert not judgement.passed
        assert not judgement.applicable


@pytest.mark.parametrize("end", ["7", "]", "7 x"])
def test_time_grows_with_the_length_of_a_text(end: str) -> None:
    slow = [str(family) for family in NUMBERS if is_quadratic(last_number, replace(family, after=end).text)]
    assert slow == []


@given(
    st.decimals(-1000, 1000, places=3, allow_nan=False),
    st.integers(-40, 40),
    st.sampled_from(
        ["e{}", "E{}", "×10^{}", " x 10^{{{}}}", " \\times 10^{{{}}}", "\\cdot10^{{{}}}", "·10**{}", "raised"]
    ),
    st.sampled_from(FRAMES),
)
def test_any_power_of_ten_reads_as_its_value(value: Decimal, power: int, form: str, frame: str) -> None:
    scale = form.format(power)
    if form == "raised":
        scale = f" × 10{str(power).translate(RAISED)}"
    assert value_of(frame.format(f"{value:f}{scale}")) == Decimal(f"{value:f}e{power}")


@given(st.integers(-(10**40), 10**40), st.sampled_from([-1, 1]))
def test_neighbouring_integers_differ(value: int, step: int) -> None:
    expectation = expectation_from_json({"number": value})
    assert expectation.judge(Reply(text=str(value))).passed
    assert not expectation.judge(Reply(text=str(value + step))).passed
    assert expectation_from_json(expectation.to_json()) == expectation


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["", *sorted(LOCALES)]))
def test_a_float_equals_the_decimal_it_is_written_as(value: float, locale: str) -> None:
    number = Number(value, locale=locale)
    assert number.judge(Reply(text=write_number(value, locale))).passed
    assert Number(value).judge(Reply(text=f"{Decimal(value):f}")).passed


@given(st.integers(-(10**6), 10**6), st.integers(0, 10**6), st.integers(0, 6), st.sampled_from([-1, 0, 1]))
def test_a_tolerance_is_exact(value: int, tolerance: int, places: int, beyond: int) -> None:
    scale = Decimal(10) ** -places
    expected, most = float(value * scale), float(tolerance * scale)
    expectation = expectation_from_json({"number": expected, "tolerance": most})
    for side in (-1, 1):
        got = as_decimal(expected) + side * (as_decimal(most) + beyond * scale / 10)
        passed = expectation.judge(Reply(text=f"{got:f}")).passed
        assert passed is (abs(got - as_decimal(expected)) <= as_decimal(most))


@given(
    st.lists(
        st.characters(codec="utf-8")
        | st.sampled_from("0123456789.,'’_{}()[]\\^*/:-+~$ eix×½⁵πn\n")
        | st.sampled_from([*NEGATIVE, *CURRENCIES, "123"])
    ).map("".join),
    st.sampled_from(["", *LOCALES]),
)
def test_any_text_is_judged(text: str, locale: str) -> None:
    judgement = Number(1, 0.5, locale).judge(Reply(text=text))
    assert judgement.passed or judgement.reason


def test_a_call_is_no_number() -> None:
    reply = Reply(text="1/2", tool_calls=(ToolCall(name="f", arguments={}),))
    assert "expected words, got f()" in Number(1).judge(reply).reason


@pytest.mark.parametrize(
    ("expect", "sentence"),
    [
        ({"number": 1, "locale": "xx"}, "expect.locale: expected one of en, in, ch, de"),
        ({"number": 1, "locale": ["de"]}, "expect.locale: expected one of"),
        ({"number": 10**400}, "is too large for a number"),
        ({"number": 1, "tolerance": 10**400}, "expect.tolerance: "),
        ({"call": {"name": "f"}, "tolerance": "1"}, "expect.tolerance: expected a number"),
        ({"call": {"name": "f"}, "tolerance": -1}, "must not be negative"),
        ({"call": {"name": "f"}, "strict": 1}, "expect.strict: expected true or false"),
    ],
)
def test_a_wrong_switch_is_refused(expect: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=r"expect\.") as refused:
        expectation_from_json(expect)
    assert sentence in str(refused.value)
