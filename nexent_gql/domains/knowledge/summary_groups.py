"""Groups passages for a summary, by meaning or by document; pure functions, which give the same for the same."""

import math
from collections.abc import Sequence
from operator import mul

Vector = Sequence[float]
MAX_GROUPS = 8
_PASSAGES_PER_GROUP = 8
_ROUNDS = 8

Groups = list[list[int]]
"""Indexes of passages, the most typical of each group first."""


def group_count(passage_count: int) -> int:
    """Return into how many groups to divide passages: 1 for few, never more than 8."""
    return max(1, min(MAX_GROUPS, round(math.sqrt(passage_count / _PASSAGES_PER_GROUP))))


def group_by_meaning(vectors: Sequence[Vector], count: int) -> Groups:
    """Divide passages into at most `count` groups by k-means over their directions.

    Every passage is in one group, the nearest to its center first. It takes half a second for 300 vectors, so call it
    in a thread.
    """
    units = [_unit(vector) for vector in vectors]
    centers = _distant(units, count)
    members: Groups = []
    for _ in range(_ROUNDS):
        members = [[] for _ in centers]
        for index, unit in enumerate(units):
            scores = [_dot(unit, center) for center in centers]
            members[scores.index(max(scores))].append(index)
        members = [group for group in members if group]
        moved = [_unit([sum(values) for values in zip(*(units[at] for at in group), strict=True)]) for group in members]
        if moved == centers:
            break
        centers = moved
    pairs = zip(members, centers, strict=True)
    return [sorted(group, key=lambda at: (-_dot(units[at], center), at)) for group, center in pairs]


def group_by_document(documents: Sequence[object], count: int) -> Groups:
    """Divide passages into at most `count` groups of whole documents, in their order.

    `documents` names the document of each passage; passages of one document follow each other. The first passages of
    all documents of a group come first, then the second ones, and so on.
    """
    by_document: dict[object, list[int]] = {}
    for index, document in enumerate(documents):
        by_document.setdefault(document, []).append(index)
    size = len(documents) / count
    groups: list[list[list[int]]] = [[]]
    for passages in by_document.values():
        if sum(map(len, groups[-1])) >= size:
            groups.append([])
        groups[-1].append(passages)
    return [_interleaved(group) for group in groups]


def _interleaved(documents: Sequence[Sequence[int]]) -> list[int]:
    longest = max(map(len, documents))
    return [passages[place] for place in range(longest) for passages in documents if place < len(passages)]


def _distant(units: Sequence[Vector], count: int) -> list[Vector]:
    """Choose vectors that are far from each other, beginning with the first."""
    centers = [units[0]]
    nearness = [_dot(unit, units[0]) for unit in units]
    while len(centers) < count:
        at = nearness.index(min(nearness))
        centers.append(units[at])
        nearness = [max(near, _dot(unit, units[at])) for near, unit in zip(nearness, units, strict=True)]
    return centers


def _dot(left: Vector, right: Vector) -> float:
    return sum(map(mul, left, right))


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(_dot(vector, vector))
    return [value / length for value in vector] if length else vector
