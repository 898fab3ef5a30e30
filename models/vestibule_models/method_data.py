"""Photos and targets of a training run, as the arguments of `train_network` ask for them."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError
from vestibule_models.dataset import Example
from vestibule_models.folders import oddities, read_examples
from vestibule_models.idx import is_idx, read_pair
from vestibule_models.labels import LABELS
from vestibule_models.landmarks import POINTS, landmark_maps, region_names
from vestibule_models.pictures import SUFFIXES, Skipped
from vestibule_models.tags import ATTRIBUTES, CLEAN_SOURCES, NINE_GROUPS, attributes_of, nine_groups_of, read_tags

Images = NDArray[np.uint8]
Targets = dict[str, NDArray[np.floating]]
IDX_CLASSES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a network wants.

    Attributes:
        size: height and width of its input, pixels.
        grey: one channel instead of three.
        extras: attributes and landmarks are targets beside the labels.
    """

    size: int
    grey: bool = False
    extras: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Everything that a run learns from and is measured on.

    Attributes:
        names: of the labels.
        train_images: uint8 (N, size, size, C); val_images, test_images alike.
        train_targets: by the network's outputs, -1 where not known; val_targets, test_targets alike.
        test_parts: rows of the test photos, by the source and what else is told apart.
        unlabelled: uint8 (M, size, size, C), or None.
        exclusive: each picture shows one label.
        sources: of the training photos, how many.
        skipped: photos that could not be read.
        attributes: names, where they are targets.
    """

    names: tuple[str, ...]
    train_images: Images
    train_targets: Targets
    val_images: Images
    val_targets: Targets
    test_images: Images
    test_targets: Targets
    test_parts: dict[str, NDArray[np.intp]]
    unlabelled: Images | None = None
    exclusive: bool = False
    sources: dict[str, int] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    attributes: tuple[str, ...] = ()


def read_sample(args: argparse.Namespace, spec: Spec) -> Sample:
    """Read what the arguments name, and say what is odd about it on standard error.

    Raises:
        ArtifactError: there is nothing to learn or to choose by; a source that is named does not exist.
    """
    if is_idx(args.data):
        return _read_idx(args, spec)
    examples = read_examples(args.data)
    _check_sources(examples, [*args.leave_out, *args.hide])
    hidden = [e for e in examples if e.source in args.hide and e.split == "train"]
    away = {*args.leave_out, *args.hide}
    chosen = {
        split: _limited([e for e in examples if e.split == split and (split == "test" or e.source not in away)], args)
        for split in ("train", "val", "test")
    }
    for line in oddities(chosen["train"]):
        _say(line)
    for split in ("val", "test"):
        if not chosen[split]:
            raise ArtifactError(f"{args.data} has no photos of split {split}")
    return _Reader(args=args, spec=spec).sample(chosen, _limited(hidden, args))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    args: argparse.Namespace
    spec: Spec

    def sample(self, chosen: dict[str, list[Example]], hidden: Sequence[Example]) -> Sample:
        from vestibule_models.photo_batches import load_photos  # noqa: PLC0415 - imports Keras

        photos = {s: load_photos(es, size=self.spec.size, grey=self.spec.grey) for s, es in chosen.items()}
        skipped = [item for part in photos.values() for item in part.skipped]
        more = [*hidden, *_without_labels(self.args.unlabelled)]
        unlabelled = load_photos(more, size=self.spec.size, grey=self.spec.grey) if more else None
        skipped += unlabelled.skipped if unlabelled else []
        for item in skipped:
            _say(f"skipped: {item.reason}")
        targets = {split: self._targets(part.examples) for split, part in photos.items()}
        return Sample(
            names=NINE_GROUPS if self.args.labels == "nine" else tuple(map(str, LABELS)),
            train_images=photos["train"].images,
            train_targets=targets["train"],
            val_images=photos["val"].images,
            val_targets=targets["val"],
            test_images=photos["test"].images,
            test_targets=targets["test"],
            test_parts=self._parts(photos["test"].examples),
            unlabelled=unlabelled.images if unlabelled else None,
            sources=dict(Counter(example.source for example in photos["train"].examples)),
            skipped=skipped,
            attributes=tuple(ATTRIBUTES) if self.spec.extras else (),
        )

    def _targets(self, examples: Sequence[Example]) -> Targets:
        tags = read_tags(self.args.data)
        garments = [np.where(e.known > 0, e.targets, -1).astype(np.float32) for e in examples]
        names = [e.path.name for e in examples]
        none: frozenset[str] = frozenset()
        if self.args.labels == "nine":
            return {
                "probs": np.stack([nine_groups_of(g, tags.get(n, none)) for g, n in zip(garments, names, strict=True)])
            }
        targets: Targets = {"probs": np.stack(garments)}
        if self.spec.extras:
            told = [attributes_of(tags.get(n, none), e.source) for e, n in zip(examples, names, strict=True)]
            targets["attributes"] = np.stack(told)
            targets["landmarks"] = self._landmarks(examples)
        return targets

    def _landmarks(self, examples: Sequence[Example]) -> NDArray[np.float16]:
        folder = self.args.data / "masks"
        regions, cells = region_names(folder), self.spec.size // 8
        maps = np.full((len(examples), cells, cells, len(POINTS)), -1, np.float16)
        for row, example in enumerate(examples):
            path = folder / f"{example.path.stem}.png"
            if regions and path.is_file():
                dots = landmark_maps(path, regions, input_size=self.spec.size, map_size=cells)
                maps[row] = dots / np.float16(255)
        return maps

    def _parts(self, examples: Sequence[Example]) -> dict[str, NDArray[np.intp]]:
        sources = np.array([example.source for example in examples])
        parts = {str(source): np.flatnonzero(sources == source) for source in np.unique(sources)}
        if self.args.labels == "nine":
            clean = np.isin(sources, sorted(CLEAN_SOURCES))
            parts |= {
                "all": np.arange(len(sources)),
                "clean": np.flatnonzero(clean),
                "cluttered": np.flatnonzero(~clean),
            }
        return {name: rows for name, rows in parts.items() if len(rows)}


def count(args: argparse.Namespace, sample: Sample) -> dict[str, Any]:
    """Return what the record says of the data."""
    return {
        "name": args.data.resolve().name,
        "train": len(sample.train_images),
        "train_sources": sample.sources,
        "val": len(sample.val_images),
        "test": len(sample.test_images),
        "left_out": sorted(args.leave_out),
        "hidden": sorted(args.hide),
        "unlabelled": 0 if sample.unlabelled is None else len(sample.unlabelled),
        "skipped": [{"file": item.path.name, "reason": item.reason.rpartition(": ")[2]} for item in sample.skipped],
    }


def _read_idx(args: argparse.Namespace, spec: Spec) -> Sample:
    if args.network != "lenet5":
        raise ArtifactError(f"{args.data} holds IDX files; they are for --network lenet5, not for {args.network}")
    parts = {}
    for split in ("train", "test"):
        images, labels = read_pair(args.data, split)
        if images.shape[1:] != (spec.size, spec.size) or labels.max(initial=0) >= IDX_CLASSES:
            raise ArtifactError(f"{args.data}: {split} has pictures {images.shape[1:]} and labels to {labels.max()}")
        parts[split] = (images[: args.limit, :, :, None], np.eye(IDX_CLASSES, dtype=np.float32)[labels[: args.limit]])
    images, targets = parts["train"]
    held = max(1, len(images) // 10)
    if len(images) <= held or len(np.unique(targets.argmax(axis=1))) == 1:
        raise ArtifactError(f"{args.data}: {len(images)} training pictures of one class or none cannot teach anything")
    order = np.random.default_rng(0).permutation(len(images))
    val, train = order[:held], order[held:]
    return Sample(
        names=tuple(str(number) for number in range(IDX_CLASSES)),
        train_images=images[train],
        train_targets={"probs": targets[train]},
        val_images=images[val],
        val_targets={"probs": targets[val]},
        test_images=parts["test"][0],
        test_targets={"probs": parts["test"][1]},
        test_parts={"idx": np.arange(len(parts["test"][0]))},
        exclusive=True,
        sources={"idx": len(train)},
    )


def _limited(examples: list[Example], args: argparse.Namespace) -> list[Example]:
    if not args.limit or len(examples) <= args.limit:
        return examples
    return [examples[i] for i in np.linspace(0, len(examples) - 1, args.limit).astype(int)]


def _without_labels(folders: Sequence[Path]) -> list[Example]:
    nothing = np.zeros(len(LABELS), np.float32)
    examples = []
    for folder in folders:
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        if not paths:
            raise ArtifactError(f"--unlabelled {folder} holds no photos")
        examples += [
            Example(path=p, source=folder.name, split="train", group=p.stem, targets=nothing, known=nothing)
            for p in paths
        ]
    return examples


def _check_sources(examples: Sequence[Example], named: Sequence[str]) -> None:
    there = sorted({example.source for example in examples})
    if missing := [name for name in named if name not in there]:
        raise ArtifactError(f"no photo is of source {', '.join(missing)}; there are {', '.join(there)}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - progress
