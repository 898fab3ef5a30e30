"""Whether women and men, and people of every group, are found and read alike: on rendered people, who are known.

The file names of the VALID avatars (Do et al. 2023) say the group and whether a woman or a man is meant
(`Black_F_1_Busi`). What an avatar wears makes more difference than who it is, so avatars are compared with those that
wear the same: labels are exchanged among avatars of one outfit only. Views of one avatar are not independent, so the
test (a permutation test: Fisher 1935, "The Design of Experiments", section 21) exchanges avatars, not views.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError
from vestibule_models.calibration import Interval, wilson
from vestibule_models.dataset import Example
from vestibule_models.evaluate_reid import before_backdrop
from vestibule_models.labels import LABELS
from vestibule_models.litert_runner import LiteRTRunner
from vestibule_models.persons_decode import Bytes, Floats, overlaps
from vestibule_models.persons_places import draw_place
from vestibule_models.pictures import read_picture

Find = Callable[[Bytes], tuple[Floats, Floats]]
"""uint8 (H, W, 3) BGR -> boxes xyxy float32 (N, 4) in its pixels, scores float32 (N,)."""
SEXES = {"F": "women", "M": "men"}
BEYOND_CHANCE = 0.05
"""A difference with a lower p-value is named."""
_FRAME_WIDTH, _FRAME_HEIGHT = 640, 360
_SMALLEST_PX, _TALLEST_PX = 40, 330
"""Of a person in a frame, drawn evenly by the logarithm."""
_DARKEST, _NOISE = 0.15, 5.0
"""Least light in a room, and the standard deviation of the noise, so that not everybody is found at once."""
_LEAST_IOU = {"people found at the shipped threshold": 0.5, "people found, IoU 0.3": 0.3}
"""What is asked of people, and the overlap (IoU) that it takes."""
_OPAQUE = 127


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One avatar: how often it was found or read rightly.

    Attributes:
        group: such as Black.
        sex: women or men.
        outfit: avatars of one outfit are compared with each other.
        unseen: no network that learns from split `train` has seen it.
        right: views, or garments in views, that were found.
        trials: of them.
    """

    group: str
    sex: str
    outfit: str
    unseen: bool
    right: int
    trials: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Of the avatars of one group.

    Attributes:
        name: of the group.
        avatars: how many.
        trials: views, or garments in views.
        recall: share found, with Wilson's interval over trials; too narrow, for views of one avatar are alike.
        beside_equals: mean distance of an avatar's recall from that of all avatars in the same outfit.
    """

    name: str
    avatars: int
    trials: int
    recall: Interval
    beside_equals: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """Of one question, one way of grouping and one set of avatars.

    Attributes:
        what: the question.
        by: `sex` or `group`.
        avatars: `unseen` in training by the recipe (split `demo`), or `all`, most of them learnt from.
        sides: by name.
        p_value: how often exchanged avatars differ as much; None where no outfit is worn on two sides.
    """

    what: str
    by: str
    avatars: str
    sides: tuple[Side, ...]
    p_value: float | None


def garments_csv(avatars: Path) -> Path:
    """Return the table of what avatars wear: the file itself, or the one in their folder."""
    return avatars / "garments.csv" if avatars.is_dir() else avatars


def name_parts(avatar: str) -> tuple[str, str, str]:
    """Return group, sex and style of an avatar's name.

    Raises:
        ArtifactError: the name is not like Black_F_1_Busi.
    """
    parts = avatar.split("_")
    if len(parts) != 4 or parts[1] not in SEXES:  # noqa: PLR2004 - group, sex, number, style
        raise ArtifactError(f"avatar {avatar!r}: its name should tell group, F or M, number and style: Black_F_1_Busi")
    return parts[0], SEXES[parts[1]], parts[3]


def compare_sides(units: Sequence[Unit], what: str, *, seed: int = 0, rounds: int = 9999) -> tuple[Fairness, ...]:
    """Compare women with men and the groups with each other, on unseen avatars and on all; empty without avatars."""
    found = []
    for avatars, chosen in (("unseen", [unit for unit in units if unit.unseen]), ("all", list(units))):
        for by in ("sex", "group") if chosen else ():
            names = [unit.sex if by == "sex" else unit.group for unit in chosen]
            sides, p_value = _compare(chosen, names, np.random.default_rng(seed), rounds)
            found.append(Fairness(what=what, by=by, avatars=avatars, sides=sides, p_value=p_value))
    return tuple(found)


def _compare(
    units: Sequence[Unit], names: Sequence[str], rng: np.random.Generator, rounds: int
) -> tuple[tuple[Side, ...], float | None]:
    kinds, side = np.unique(names, return_inverse=True)
    _, outfit = np.unique([unit.outfit for unit in units], return_inverse=True)
    recall = np.array([unit.right / unit.trials for unit in units])
    beside = recall - np.array([recall[outfit == one].mean() for one in outfit])
    sides = []
    for number, kind in enumerate(kinds):
        mine = [unit for unit, one in zip(units, side, strict=True) if one == number]
        right, trials = sum(unit.right for unit in mine), sum(unit.trials for unit in mine)
        sides.append(
            Side(
                name=str(kind),
                avatars=len(mine),
                trials=trials,
                recall=wilson(right, trials),
                beside_equals=float(beside[side == number].mean()),
            )
        )
    return tuple(sides), permutation_p(beside, side, outfit, rng, rounds=rounds)


def permutation_p(
    beside: NDArray[np.float64],
    side: NDArray[np.int64],
    outfit: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    rounds: int,
) -> float | None:
    """Return how often sides differ as much when avatars of one outfit exchange their sides.

    Args:
        beside: (N,), recall of each avatar less the mean of its outfit.
        side: (N,), 0 to K - 1.
        outfit: (N,).
        rng: draws the exchanges.
        rounds: of them.
    """
    places = [np.flatnonzero(outfit == one) for one in np.unique(outfit)]
    places = [rows for rows in places if len(set(side[rows].tolist())) > 1]
    if not places:
        return None
    size = np.bincount(side)

    def spread(of: NDArray[np.int64]) -> float:
        sums = np.bincount(of, weights=beside, minlength=len(size))
        return float((sums * sums / np.maximum(size, 1)).sum())

    seen, exchanged, as_far = spread(side), side.copy(), 0
    for _ in range(rounds):
        for rows in places:
            exchanged[rows] = rng.permutation(side[rows])
        as_far += spread(exchanged) >= seen - 1e-12
    return (1 + as_far) / (1 + rounds)


def measure_garments(runner: LiteRTRunner, sprites: Sequence[Example], *, seed: int = 0) -> tuple[Fairness, ...]:
    """Compare how often a worn garment reaches its `likely` threshold; categories without one do not count."""
    limits = [runner.manifest.thresholds[label].likely for label in LABELS]
    units = []
    for avatar, views in _by_avatar(sprites).items():
        worn = [i for i, limit in enumerate(limits) if limit is not None and views[0].targets[i] > 0]
        if not worn:
            continue
        probs = runner.run_all([before_backdrop(read_picture(view.path, keep_cover=True)) for view in views]).probs
        told = probs[:, worn] >= np.array([limits[i] for i in worn], np.float32)
        units.append(_unit(avatar, views, " ".join(LABELS[i] for i in worn), int(told.sum()), told.size))
    return compare_sides(units, "worn garments told at `likely`", seed=seed)


def measure_persons(
    find: Find,
    threshold: float,
    sprites: Sequence[Example],
    *,
    rooms: int = 1,
    seed: int = 0,
) -> tuple[Fairness, ...]:
    """Compare how often a rendered person in a drawn room is found at the shipped threshold.

    Every avatar is put into the same rooms, at the same places, of the same heights, in the same light: each of its
    views into `rooms` of them. Asked twice: whether a box fits (IoU 0.5, as everywhere), and whether there is one at
    all (IoU 0.3), for a box that is somewhat loose misses nobody.
    """
    avatars = _by_avatar(sprites)
    count = min(len(views) for views in avatars.values())
    units: dict[str, list[Unit]] = {what: [] for what in _LEAST_IOU}
    for avatar, views in avatars.items():
        overlap = np.array(
            [
                _best_overlap(find, threshold, sprite, np.random.default_rng([seed, number + room * count]))
                for number, view in enumerate(views[:count])
                for sprite in [read_picture(view.path, keep_cover=True)]
                for room in range(rooms)
            ]
        )
        for what, least in _LEAST_IOU.items():
            right = int((overlap >= least).sum())
            units[what].append(_unit(avatar, views, name_parts(avatar)[2], right, len(overlap)))
    return tuple(found for what, each in units.items() for found in compare_sides(each, what, seed=seed))


def _best_overlap(find: Find, threshold: float, sprite: Bytes, rng: np.random.Generator) -> float:
    image, person = put_into_room(sprite, rng)
    return best_overlap(person, *find(image), threshold)


def best_overlap(person: Floats, boxes: Floats, scores: Floats, threshold: float) -> float:
    """Return the largest IoU of a box of at least the threshold's score with the person, all xyxy; 0 without one."""
    return float(overlaps(person, boxes[scores >= threshold]).max(initial=0.0))


def put_into_room(sprite: Bytes, rng: np.random.Generator) -> tuple[Bytes, Floats]:
    """Put uint8 (h, w, 4) RGBA into a drawn room; return uint8 (360, 640, 3) BGR and the person's box xyxy (4,)."""
    rows = np.flatnonzero((sprite[..., 3] > _OPAQUE).any(axis=1))
    columns = np.flatnonzero((sprite[..., 3] > _OPAQUE).any(axis=0))
    cut = sprite[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    room = draw_place(rng, _FRAME_HEIGHT, _FRAME_WIDTH)
    height = round(float(np.exp(rng.uniform(np.log(_SMALLEST_PX), np.log(_TALLEST_PX)))))
    width = min(_FRAME_WIDTH, max(1, round(cut.shape[1] * height / cut.shape[0])))
    top = round(float(rng.uniform(0, 1)) * (_FRAME_HEIGHT - height))
    left = round(float(rng.uniform(0, 1)) * (_FRAME_WIDTH - width))
    small = np.asarray(cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    cover = small[..., 3:] / 255
    part = room[top : top + height, left : left + width]
    part[:] = np.clip(part * (1 - cover) + small[..., 2::-1] * cover, 0, 255)
    seen = room * rng.uniform(_DARKEST, 1) + rng.normal(0, _NOISE, room.shape)
    return np.clip(np.rint(seen), 0, 255).astype(np.uint8), np.array(
        [left, top, left + width, top + height], np.float32
    )


def _unit(avatar: str, views: Sequence[Example], outfit: str, right: int, trials: int) -> Unit:
    group, sex, _ = name_parts(avatar)
    unseen = views[0].split != "train"
    return Unit(group=group, sex=sex, outfit=outfit, unseen=unseen, right=right, trials=trials)


def _by_avatar(sprites: Sequence[Example]) -> dict[str, list[Example]]:
    if not sprites:
        raise ArtifactError("no rendered person to look at; render some with `vestibule-models render sprites`")
    names = sorted({sprite.group for sprite in sprites})
    return {name: [sprite for sprite in sprites if sprite.group == name] for name in names}
