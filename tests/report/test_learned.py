"""`LEARNED.md`: every fact in at most 200 lines, and nothing else."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_selfopt.report.learned.facts import Facts, ModelFacts, PhaseFacts, Trend
from pytest_selfopt.report.learned.text import MAX_LINES, learned_text

GOLDEN = """\
# What is known by now

After 3 decided cycles, the last of them cycle 4. Every cycle writes this file anew from the ledger, so notes of your \
own belong elsewhere. `selfopt why MODEL PHASE` shows the trials behind a rule.

## atomic

Left in force by its last cycle: `m/atomic/schema/t60/r1/i0`, 30 of 36 answers right

Measured best: `n/atomic/schema/t60/r1/i0`, 36 of 36 answers right

### `m`

Won:

- variant native_api → schema: fixed 1 answer, broke 0 in 3 passes

Never helped:

- retries 1 → 2: fixed 2 answers, broke 5 in 6 passes, over 2 comparisons

Open, not enough evidence yet:

- isolation off → on: fixed 0 answers, broke 0 in 1 pass

Taken back by hand, cycles leave it alone:

- warm-up on

### `n`

Nothing was tried in its place yet.
"""


def test_the_file_tells_what_won_lost_and_is_open() -> None:
    model = ModelFacts(
        model="m",
        won=(Trend(change="variant native_api → schema", fixed=1, broken=0, passes=3),),
        never_helped=(Trend(change="retries 1 → 2", fixed=2, broken=5, passes=6, comparisons=2),),
        open=(Trend(change="isolation off → on", fixed=0, broken=0, passes=1),),
        taken_back=("warm-up on",),
    )
    phase = PhaseFacts(
        phase="atomic",
        in_force="m/atomic/schema/t60/r1/i0",
        measured={"m/atomic/schema/t60/r1/i0": (30, 36), "n/atomic/schema/t60/r1/i0": (36, 36)},
        models=(model, ModelFacts(model="n")),
    )
    assert learned_text(Facts(cycles=3, last=4, phases=(phase,))) == GOLDEN


NAMES = st.text("abc/:.", min_size=1, max_size=8)
TRENDS = st.lists(
    st.builds(Trend, change=NAMES, fixed=st.integers(0, 9), broken=st.integers(0, 9), passes=st.integers(1, 9)),
    max_size=90,
).map(tuple)
MODELS = st.builds(
    ModelFacts, model=NAMES, won=TRENDS, never_helped=TRENDS, open=TRENDS, taken_back=st.lists(NAMES).map(tuple)
)
PHASES = st.builds(
    PhaseFacts,
    phase=NAMES,
    in_force=NAMES,
    measured=st.dictionaries(
        NAMES, st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda two: (min(two), max(two)))
    ),
    models=st.lists(MODELS, max_size=12).map(tuple),
)


@settings(max_examples=30)
@given(
    st.builds(Facts, cycles=st.integers(1, 9), last=st.integers(1, 9), phases=st.lists(PHASES, max_size=9).map(tuple))
)
def test_the_file_is_short_and_names_every_phase(facts: Facts) -> None:
    text = learned_text(facts)
    lines = text.splitlines()
    assert len(lines) <= MAX_LINES
    assert text == learned_text(facts)
    cut = lines[-1].startswith("There is more")
    assert cut or all(f"## {phase.phase}" in lines for phase in facts.phases)
    assert all(
        line.startswith(("#", "- ", "`", "After", "Left", "Measured", "Nothing", "There"))
        or not line
        or line.endswith(":")
        for line in lines
    )
