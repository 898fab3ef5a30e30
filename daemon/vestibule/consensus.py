"""Many readings of one person become garments: people turn, and far away they are read badly."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from vestibule.types import Appearance, Garment, Reading
from vestibule_models.artifact import GroupThresholds, Thresholds
from vestibule_models.groups import group_scores
from vestibule_models.labels import GROUP_OF, LABELS, MEMBERS, GarmentName

Publish = Callable[[GarmentName, float], float]
"""From the mean score of a category or a group to what is published of it; rises with the score."""
_NAMES: tuple[GarmentName, ...] = (*LABELS, *MEMBERS)
_LEAST_WEIGHT = 1e-6
_CLEAR_MARGIN = 0.15
"""A score this far from its threshold is not going to change sides with the next reading or two."""


class Evidence:
    """The readings of one person, as sums: it takes the same memory however many there are.

    The score of a category is sum(w_i p_i) / sum(w_i) over all readings, p_i the probability and w_i the cube of the
    crop's quality (at least 1e-6), since somebody who walks up is read far better near than far; the mean look alike,
    of the embeddings. It does not depend on the order in which readings arrive. A category is worn when its score
    reaches its `likely` threshold; one without never is. The groups' scores are averaged in the same way, so that a
    jacket taken for a blazer half of the time is outerwear all along. All of that is decided on the network's own
    scores; what is told of a garment is `published` of its score.

    Attributes:
        count: readings so far.
        first_at_s: capture time of the earliest, Unix seconds; infinite before the first.
        weight: sum of w_i.
        scores: float64 (19,), sum of w_i p_i: the categories, then the groups.
        votes: int64 (19,), how many readings alone reached the threshold.
        look: float64 (D,), sum of w_i times the embedding; None before the first.
        worn_before: which categories were worn one reading ago.
        clothes_lab: float64 (6,), sum of w_i times the colours of the clothes, where they are known.
        clothes_weight: sum of those w_i.
    """

    def __init__(
        self, thresholds: Mapping[GarmentName, Thresholds], published: Publish = lambda _, score: score
    ) -> None:
        self._published = published
        likely = [thresholds[name].likely if name in thresholds else None for name in _NAMES]
        self._likely = np.array([np.inf if value is None else value for value in likely])
        self._alone = {name: found.alone for name, found in thresholds.items() if isinstance(found, GroupThresholds)}
        self.count = 0
        self.first_at_s = float("inf")
        self.weight = 0.0
        self.scores = np.zeros(len(_NAMES))
        self.votes = np.zeros(len(_NAMES), np.int64)
        self.look: npt.NDArray[np.float64] | None = None
        self.worn_before: tuple[bool, ...] | None = None
        self.clothes_lab = np.zeros(6)
        self.clothes_weight = 0.0
        self._worn: tuple[bool, ...] | None = None

    def add(self, reading: Reading) -> None:
        """Add a reading; one with a value that is not a number says nothing and is left out."""
        probs = reading.probs.astype(np.float64)
        embedding = reading.embedding.astype(np.float64)
        if not (np.isfinite(probs).all() and np.isfinite(embedding).all() and np.isfinite(reading.quality)):
            return
        weight = max(reading.quality**3, _LEAST_WEIGHT)
        self.count += 1
        self.first_at_s = min(self.first_at_s, reading.captured_at_s)
        self.weight += weight
        scores = np.concatenate((probs, group_scores(probs[np.newaxis])[0]))
        self.scores += weight * scores
        self.votes += scores >= self._likely
        self.look = weight * embedding + (0.0 if self.look is None else self.look)
        if np.isfinite(reading.clothes_lab).all():
            self.clothes_lab += weight * reading.clothes_lab
            self.clothes_weight += weight
        self._note()

    def merge(self, other: "Evidence") -> None:
        """Add the readings of another track of the same person."""
        if other.look is None:
            return
        was_empty = self.count == 0
        self.count += other.count
        self.first_at_s = min(self.first_at_s, other.first_at_s)
        self.weight += other.weight
        self.scores += other.scores
        self.votes += other.votes
        self.look = other.look + (0.0 if self.look is None else self.look)
        self.clothes_lab += other.clothes_lab
        self.clothes_weight += other.clothes_weight
        self._note()
        if was_empty:
            self.worn_before = other.worn_before

    def _note(self) -> None:
        self.worn_before, self._worn = self._worn, tuple((self._means() >= self._likely)[: len(LABELS)].tolist())

    def _means(self) -> npt.NDArray[np.float64]:
        return self.scores / self.weight

    def suffices(self, min_readings: int, enough_readings: int) -> bool:
        """Whether what is worn is settled.

        It is with `min_readings` if something is worn, the last of them did not change what, and every score is well
        above or well below its threshold; else, where a score is near it or nothing was recognised yet, with
        `enough_readings`. The categories decide that; whoever is told by a group alone has been read that often.
        """
        if self.count < min_readings or (self._worn != self.worn_before and min_readings > 1):
            return False
        distance = np.abs(self._means() - self._likely)[: len(LABELS)]
        clear = any(self._worn or ()) and bool((distance >= _CLEAR_MARGIN).all())
        return clear or self.count >= enough_readings

    def garments(self) -> tuple[Garment, ...]:
        """Return what is worn, best score first, then in the labels' order."""
        return self._told(self._likely_ones(LABELS))

    def groups(self) -> tuple[Garment, ...]:
        """Return the groups one of whose members is worn, whether or not it can be said which; ordered likewise.

        One none of whose members is told must also reach its `alone` threshold.
        """
        named = {GROUP_OF.get(label) for label in self._likely_ones(LABELS)}
        found = self._likely_ones(tuple(MEMBERS))
        return self._told([group for group in found if group in named or self._stands_alone(group)])

    def _stands_alone(self, group: GarmentName) -> bool:
        floor = self._alone.get(group)
        return floor is not None and bool(self._means()[_NAMES.index(group)] >= floor)

    def _likely_ones(self, names: Sequence[GarmentName]) -> list[GarmentName]:
        if self.count == 0:
            return []
        worn = self._means() >= self._likely
        return [name for name in names if worn[_NAMES.index(name)]]

    def _told(self, names: Sequence[GarmentName]) -> tuple[Garment, ...]:
        found = []
        for name in names:
            column = _NAMES.index(name)
            score = self._published(name, min(float(self.scores[column] / self.weight), 1.0))
            found.append(Garment(label=name.value, score=score, votes=int(self.votes[column])))
        return tuple(sorted(found, key=lambda garment: -garment.score))

    def appearance(self) -> Appearance | None:
        """Return what the person looks like on the whole; None without a reading."""
        if self.look is None:
            return None
        length = max(float(np.linalg.norm(self.look)), 1e-9)
        means = self._means()[: len(LABELS)]
        clothes = self.clothes_lab / self.clothes_weight if self.clothes_weight else np.full(6, np.nan)
        return Appearance(
            look=(self.look / length).astype(np.float32),
            garments=means.astype(np.float32),
            clothes_lab=clothes.astype(np.float32),
        )

    def distance(self, other: "Evidence") -> float | None:
        """Return the cosine distance of the mean looks, 0 to 2; None where either has no reading."""
        if self.look is None or other.look is None:
            return None
        norms = float(np.linalg.norm(self.look) * np.linalg.norm(other.look))
        return 1.0 if norms == 0 else 1.0 - float(self.look @ other.look) / norms
