"""Scores short texts against a question by BM25, as Lucene does; a library would bring 11 MB of numpy along."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

SATURATION = 1.5
"""BM25's k1: how soon more occurrences of a word add no more to the score."""
LENGTH = 0.75
"""BM25's b: how much a long text lowers the score."""


def scores(asked: Sequence[str], documents: Sequence[Sequence[str]]) -> list[float]:
    """Return each document's score: rare words weigh most (Robertson and Zaragoza, 2009)."""
    mean = sum(map(len, documents)) / len(documents)
    counts = [Counter(document) for document in documents]
    having = Counter(word for count in counts for word in count)
    weight = {word: math.log(1 + (len(documents) - having[word] + 0.5) / (having[word] + 0.5)) for word in asked}
    return [
        sum(
            weight[word] * count[word] / (count[word] + SATURATION * (1 - LENGTH + LENGTH * count.total() / mean))
            for word in asked
        )
        for count in counts
    ]
