"""The automated readability index (Senter and Smith 1967, AMRL-TR-66-220)."""

import re
from dataclasses import dataclass

WORD = re.compile(r"[A-Za-z0-9]+")
SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)")


@dataclass(frozen=True)
class Measure:
    """What was counted in a text."""

    characters: int
    words: int
    sentences: int

    @property
    def ari(self) -> float:
        """About the school grade that one needs to follow the text; 0 for a text without words."""
        if not self.words:
            return 0.0
        return 4.71 * self.characters / self.words + 0.5 * self.words / max(1, self.sentences) - 21.43


def measure(text: str) -> Measure:
    """Counts a text."""
    words = WORD.findall(text)
    return Measure(sum(map(len, words)), len(words), len(SENTENCE_END.findall(text)))
