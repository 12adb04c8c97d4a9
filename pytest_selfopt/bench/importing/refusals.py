"""Why tests of prompts are left out, each reason told once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pytest_selfopt.bench.importing.imported import Imported


@dataclass(slots=True)
class Refusals:
    """Collects the reasons why prompts of a file are left out with tests, which are named by their places."""

    file: str
    _asked: Counter[str] = field(default_factory=Counter)
    _of_tests: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """The prompts by test and reason."""
    _of_prompts: dict[tuple[str, str], None] = field(default_factory=dict)
    _notes: dict[tuple[str, str], None] = field(default_factory=dict)

    def ask(self, test: str) -> None:
        """Note that a test is about one more prompt."""
        self._asked[test] += 1

    def check_asked(self, test: str) -> None:
        """Note why a test is left out if it is about none of the prompts."""
        if not self._asked[test]:
            self.refuse(test, "", "its 'prompts' names none of the prompts that are read")

    def refuse(self, test: str, prompt: str, reason: str) -> None:
        """Note why a test is left out with a prompt."""
        prompts = self._of_tests.setdefault((test, reason), [])
        if prompt not in prompts:
            prompts.append(prompt)

    def refuse_prompt(self, prompt: str, reason: str) -> None:
        """Note why a prompt is left out with any test."""
        self._of_prompts[prompt, reason] = None

    def note(self, test: str, sentence: str) -> None:
        """Note what a test is without."""
        self._notes[test, sentence] = None

    def tell(self, imported: Imported) -> None:
        """Add all reasons and notes; one that holds for all prompts of a test names no prompt."""
        for (test, reason), prompts in self._of_tests.items():
            place = test
            if self._asked[test] > len(prompts):
                place = f"{test} with {', '.join(prompts)}"
            imported.leave(place, reason)
        for prompt, reason in self._of_prompts:
            imported.leave(f"{self.file}: {prompt}", reason)
        for test, sentence in self._notes:
            imported.note(test, sentence)
