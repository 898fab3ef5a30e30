"""Measure an exported garment classifier on photos that it has not learnt from."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError, GarmentManifest
from vestibule_models.as_json import as_json
from vestibule_models.dataset import STREET, Example, read_sprites
from vestibule_models.degradations import DEGRADATIONS
from vestibule_models.evaluate_reid import measure_reid, read_rendered
from vestibule_models.fairness import Fairness, garments_csv, measure_garments
from vestibule_models.folders import read_examples
from vestibule_models.garment_metrics import GarmentFigures, measure
from vestibule_models.litert_runner import LiteRTRunner
from vestibule_models.pictures import Skipped, read_picture
from vestibule_models.speed import Speed, load_average, time_batches

Bytes = NDArray[np.uint8]
ALL = "all photos"
_BATCH = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answered:
    """Photos that could be read, with the network's answers.

    Attributes:
        examples: N photos.
        probs: float32 (N, 15).
        skipped: photos that could not be read.
    """

    examples: tuple[Example, ...]
    probs: NDArray[np.float32]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GarmentReport:
    """All that one run of `evaluate` found.

    Attributes:
        manifest: of the model.
        data: name of the folder; empty where only rendered people were looked at.
        split: the one that was asked for, or `all`.
        headline: the source that `macro_ap` is of: the street photos, or `ALL` where there are none.
        sources: figures of each source, and of `ALL` where there are no street photos.
        degraded: the headline's photos as a poorer camera sees them, by the degradation's name.
        answered: the headline's photos with their answers.
        skipped: photos that could not be read, of all sources.
        speed: crops a second.
        threads: of the CPU.
        load: programs that wanted to run while the speed was measured.
        clips: how people of clips are known again, by the clip's name.
        rendered: how the demo's people are read.
        fairness: by women and men, and by group, on rendered people.
    """

    manifest: GarmentManifest
    data: str
    split: str
    headline: str
    sources: dict[str, GarmentFigures]
    degraded: dict[str, GarmentFigures]
    answered: Answered | None
    skipped: tuple[Skipped, ...]
    speed: tuple[Speed, ...]
    threads: int
    load: float
    clips: dict[str, dict[str, float]]
    rendered: dict[str, Any]
    fairness: tuple[Fairness, ...]


def evaluate(args: argparse.Namespace) -> GarmentReport:
    """Run everything that was asked for.

    Raises:
        ArtifactError: the model or the data cannot be used.
    """
    runner = LiteRTRunner(args.model, threads=args.threads)
    examples = choose(read_examples(args.data), args.split, args.data) if args.data else []
    answers, skipped = answer_sources(runner, examples)
    if skipped and not answers:
        raise ArtifactError(f"{args.data}: none of the {len(examples)} photos could be read")
    headline = STREET if STREET in answers else ALL
    answered = answers.get(headline)
    manifest = runner.manifest
    degraded = {}
    if answered:
        for name, degrade in DEGRADATIONS.items():
            poorer = answer(runner, answered.examples, degrade)
            degraded[name] = measure(*_truth(poorer.examples), poorer.probs, manifest, seed=args.seed)
    sprites = read_sprites(args.sprites, garments_csv(args.avatars)) if args.sprites else []
    return GarmentReport(
        manifest=manifest,
        data=args.data.resolve().name if args.data else "",
        split=args.split or "all",
        headline=headline,
        sources={
            source: measure(*_truth(each.examples), each.probs, manifest, seed=args.seed)
            for source, each in answers.items()
        },
        degraded=degraded,
        answered=answered,
        skipped=skipped,
        load=load_average(),
        speed=time_batches(runner),
        threads=args.threads,
        clips={clip.name: measure_reid(runner, clip) for clip in args.clip},
        rendered=read_rendered(runner, [sprite for sprite in sprites if sprite.split == "demo"]) if sprites else {},
        fairness=measure_garments(runner, sprites, seed=args.seed) if sprites else (),
    )


def choose(examples: Sequence[Example], split: str | None, data: Path) -> list[Example]:
    """Return the examples of one split, or all.

    Raises:
        ArtifactError: there is none.
    """
    chosen = [example for example in examples if split is None or example.split == split]
    if not chosen:
        there = ", ".join(sorted({example.split for example in examples}))
        raise ArtifactError(f"{data} has no photo of split {split!r}, only of {there}; name another with --split")
    return chosen


def answer_sources(
    runner: LiteRTRunner, examples: Sequence[Example]
) -> tuple[dict[str, Answered], tuple[Skipped, ...]]:
    """Classify the photos of each source, and all together where none are of the street; name those that fail."""
    answers = {source: answer(runner, rows) for source, rows in _by_source(examples).items()}
    skipped = tuple(each for answered in answers.values() for each in answered.skipped)
    for each in skipped:
        print(f"vestibule-models: skipped {each.reason}", file=sys.stderr)  # noqa: T201 - a line a photo
    answers = {source: answered for source, answered in answers.items() if answered.examples}
    if answers and STREET not in answers:
        answers[ALL] = _joined(list(answers.values()))
    return answers, skipped


def answer(
    runner: LiteRTRunner, examples: Sequence[Example], change: Callable[[Bytes], Bytes] = lambda image: image
) -> Answered:
    """Classify photos a batch at a time, leaving out those that cannot be read; N may be 0."""
    kept: list[Example] = []
    skipped: list[Skipped] = []
    parts = [np.zeros((0, len(runner.manifest.labels)), np.float32)]
    for batch in _batches(_readable(examples, skipped)):
        kept += [example for example, _ in batch]
        parts.append(runner.run_all([change(image) for _, image in batch], batch=_BATCH).probs)
    return Answered(examples=tuple(kept), probs=np.concatenate(parts), skipped=tuple(skipped))


def _readable(examples: Sequence[Example], skipped: list[Skipped]) -> Iterator[tuple[Example, Bytes]]:
    for example in examples:
        try:
            yield example, read_picture(example.path)
        except ArtifactError as error:
            skipped.append(Skipped(path=example.path, reason=str(error)))


def _batches(rows: Iterator[tuple[Example, Bytes]]) -> Iterator[list[tuple[Example, Bytes]]]:
    batch: list[tuple[Example, Bytes]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _by_source(examples: Sequence[Example]) -> dict[str, list[Example]]:
    sources = sorted({example.source for example in examples})
    return {source: [example for example in examples if example.source == source] for source in sources}


def _joined(parts: Sequence[Answered]) -> Answered:
    return Answered(
        examples=tuple(example for part in parts for example in part.examples),
        probs=np.concatenate([part.probs for part in parts]),
        skipped=(),
    )


def _truth(examples: Sequence[Example]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return np.stack([example.targets for example in examples]), np.stack([example.known for example in examples])


def to_json(report: GarmentReport) -> dict[str, Any]:
    """Return plain values: the headline's macro AP and categories on top, everything by source below."""
    head = report.sources.get(report.headline)
    found: dict[str, Any] = {
        "model": report.manifest.name,
        "version": report.manifest.version,
        "kind": report.manifest.kind,
        "data": report.data,
        "split": report.split,
    }
    if head:
        found |= {
            "macro_ap_source": report.headline,
            "macro_ap": head.macro_ap,
            "macro_ap_over": head.macro_ap_over,
            "per_category": {name: head.per_category[name] for name in head.macro_ap_over},
            "per_source": {
                source: {field.name: getattr(figures, field.name) for field in fields(figures)}
                | ({"degraded": report.degraded} if source == report.headline else {})
                for source, figures in report.sources.items()
            },
            "skipped": [each.reason for each in report.skipped],
        }
    found["speed"] = {"threads": report.threads, "load_average": report.load, "batches": report.speed}
    if report.clips:
        found["clips"] = report.clips
    if report.fairness:
        found |= {"rendered": report.rendered, "fairness": report.fairness}
    plain: dict[str, Any] = as_json(found)
    return plain
