#!/usr/bin/env bash
# Package: sacrebleu 2.6.0 (PyPI).
#
# Behaviour: answers that are equal to their references, letter by letter, have the corpus BLEU 0.0 if none is longer
# than three words: there is no sequence of four words to count, and the mean over the four lengths is 0. One answer of
# four words among them makes it 100.0. `sentence_bleu` of the same package leaves out the lengths that there are not,
# so the mean over sentences is 100.0 where the corpus is 0.0; with `use_effective_order=True` the corpus is 100.0 too.
# chrF is 100.0 throughout.
#
# Guess before: equal texts score 100 by every metric of the package, and corpus and sentence agree where all are
# equal.
#
# Output seen:
#   short answers: corpus 0.0, effective order 100.0, mean of sentences 100.0, chrF 100.0
#   one of four words: corpus 100.0, effective order 100.0, mean of sentences 100.0, chrF 100.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python sacrebleu==2.6.0
cat >check.py <<'SCRIPT'
from sacrebleu import corpus_bleu, corpus_chrf, sentence_bleu

SHORT = ["Paris", "New York", "the Red Sea"]
for label, answers in (("short answers", SHORT), ("one of four words", [*SHORT, "in the Red Sea"])):
    corpus = corpus_bleu(answers, [answers]).score
    effective = corpus_bleu(answers, [answers], use_effective_order=True).score
    mean = sum(sentence_bleu(answer, [answer]).score for answer in answers) / len(answers)
    chrf = corpus_chrf(answers, [answers]).score
    print(f"{label}: corpus {corpus:.1f}, effective order {effective:.1f},", end=" ")
    print(f"mean of sentences {mean:.1f}, chrF {chrf:.1f}")
SCRIPT
environment/bin/python -W ignore check.py 2>log | tee seen
diff seen - <<'EXPECTED'
short answers: corpus 0.0, effective order 100.0, mean of sentences 100.0, chrF 100.0
one of four words: corpus 100.0, effective order 100.0, mean of sentences 100.0, chrF 100.0
EXPECTED
