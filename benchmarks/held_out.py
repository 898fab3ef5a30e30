"""Visits and alerts on held-out clips: composed anew from a seed, of people whom nothing was trained or tuned on.

    VESTIBULE_DATA=DIR python benchmarks/held_out.py [--clips 8] [--seed 1] [--out FOLDER]
        [--variant KEY=VALUE[,...]]... [--write]

DIR holds garments-v1, persons-v1 and clips (`--data` names it too). Each clip shows eight customers, a mannequin and
a person on a poster. They come through a door from the street, alone and behind one another, cross and hide each
other and behind racks, stop, go out again or on into the store; one comes back after some seconds, one comes up to
the camera until the frame cuts them. Room, ways, light, noise and compression are drawn from the seed. With `--out`
clips, truth and a configuration each stay there: `accuracy.py CLIP.mp4 --config CLIP.toml` takes them.

Prints a row a clip and their sum; how the columns count is in accuracy.py. In brackets are Wilson's 95 % intervals,
as if people were drawn independently. Each `--variant` (such as `motion.regions=false`,
`detector.input_size=288x160`, `detector.model=FOLDER`) is measured on the same clips and told beside what ships: how
many visitors were counted once by it alone and by what ships alone, and the chance of so uneven a split if both were
as good (exact sign test). Variables such as VESTIBULE_MOTION__REGIONS=false change what is measured, as everywhere.
`--write` puts the tables into docs/benchmarks.md.

What is held out: the people are photos of split test of garments-v1's street photos, less those that `clips` shows,
on which thresholds were chosen. The detector learns from split train (`train_persons.run`); its threshold and the
ranges of int8 are of val and train (`export_persons`). The classifier learns from train and val
(`train_garments.run`), its thresholds and embedding are of the same (`export_garments`). Read in the code, 26
November 2026.

What is not: rooms are drawn by functions that draw some of the detector's training frames too, from other random
streams; the published figures of the garments, and some of the detector's, are of the same photos, though not cut
out; twelve clips that the visits' rules were tuned on are gone, and may have shown some of these people. Compare
variants here; do not choose constants by it, or it is held out no longer.
"""

import argparse
import math
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from accuracy import ALERTED, COLUMNS, Watch, row_of, visits_of, watch_replay
from held_out_cast import deal, read_looks
from held_out_clips import stage, write_clip
from measuring import put, table
from pydantic import ValidationError

from vestibule import config
from vestibule.stages import load_models
from vestibule_models.artifact import ArtifactError
from vestibule_models.calibration import wilson
from vestibule_models.garment_tables import interval
from vestibule_models.persons_sources import find_places, load_photos

_SUMMED = COLUMNS[1:-2]
_VARIANT_COLUMNS = ("counted once", "twice", "missed", "other visits", "id switches", "alerts right", "wrong")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one configuration gave on all clips.

    Attributes:
        networks: their names and versions.
        rows: by column name, a clip each.
        once: (clip, person) of those who were counted once.
        due: people in a Dress or Blazer.
    """

    networks: str
    rows: list[dict[str, Any]]
    once: frozenset[tuple[str, int]]
    due: int

    @property
    def total(self) -> Counter[str]:
        """The sums over the clips."""
        return Counter({name: sum(row[name] for row in self.rows) for name in _SUMMED})


def compose(data: Path, clips: int, seed: int, folder: Path) -> list[Path]:
    """Compose the clips, the same ones for the same seed and number of clips.

    Raises:
        ArtifactError: the data are not whole.
    """
    places = [
        place
        for place in find_places(load_photos(data / "persons-v1", "test"), np.random.default_rng(seed))
        if place.shape[1] >= place.shape[0]
    ]
    hands = deal(read_looks(data), clips, np.random.default_rng(seed))
    return [write_clip(stage(number, seed, hand, places), folder) for number, hand in enumerate(hands, start=1)]


def measure(clips: Sequence[Path], changes: dict[str, dict[str, str]]) -> Outcome:
    """Replay all clips, each before the camera of its own configuration."""
    settings = {clip: settings_of(clip.with_suffix(".toml"), changes) for clip in clips}
    models = load_models(settings[clips[0]])
    watches = {clip: watch_replay(clip, settings[clip], None, models) for clip in clips}
    manifests = (models.detector.manifest, models.classifier.manifest)
    return outcome_of(watches, " and ".join(f"{manifest.name} {manifest.version}" for manifest in manifests))


def outcome_of(watches: dict[Path, Watch], networks: str) -> Outcome:
    """Count what the replays gave."""
    return Outcome(
        networks=networks,
        rows=[row_of(clip, watch) for clip, watch in watches.items()],
        once=frozenset(
            (clip.stem, person)
            for clip, watch in watches.items()
            for person, visits in visits_of(watch).items()
            if visits == 1
        ),
        due=sum(
            p["role"] == "customer" and bool(ALERTED & set(p["garments"]))
            for watch in watches.values()
            for p in watch.people
        ),
    )


def settings_of(path: Path, changes: dict[str, dict[str, str]]) -> config.Settings:
    """Read a clip's configuration with some values changed.

    Raises:
        SystemExit: a value is unknown or out of range.
    """
    plain = config.load(path)
    try:
        return config.Settings.model_validate({"site": plain.site, "cameras": plain.cameras, **changes})
    except ValidationError as error:
        sys.exit(f"--variant: {config.explain(error)}")


def changes_of(variant: str) -> dict[str, dict[str, str]]:
    """Read `section.key=value,section.key=value`.

    Raises:
        ArgumentTypeError: it is not of that form.
    """
    changes: dict[str, dict[str, str]] = {}
    for part in variant.split(","):
        name, equals, value = part.partition("=")
        section, dot, key = name.strip().partition(".")
        if not (section and dot and key and equals):
            raise argparse.ArgumentTypeError(f"{part!r}: not section.key=value, as in motion.regions=false")
        changes.setdefault(section, {})[key] = value.strip()
    return changes


def clips_table(outcome: Outcome) -> str:
    """Return a row a clip, their sum, and the shares with their intervals."""
    total, once, precision, recall = outcome.total, *shares(outcome)
    rows = [[row[name] for name in COLUMNS] for row in outcome.rows]
    rows.append(["**all**", *(total[name] for name in _SUMMED), precision, recall])
    told = f"Counted once {once}, alerts' precision {precision}, recall {recall}."
    return f"{outcome.networks}:\n\n{table(COLUMNS, rows)}\n\n{told}"


def shares(outcome: Outcome) -> tuple[str, str, str]:
    """Return the share counted once, and alerts' precision and recall, with intervals."""
    total = outcome.total
    right, found = total["alerts right"], outcome.due - total["alerts missed"]
    return (
        interval(wilson(total["counted once"], total["visitors"])),
        interval(wilson(right, right + total["wrong"])),
        interval(wilson(found, outcome.due)),
    )


def variants_table(outcomes: dict[str, Outcome]) -> str:
    """Return a row a variant; the first is what the others are compared with."""
    header = ["variant", *_VARIANT_COLUMNS, "alerts missed", "counted once, share", "precision", "recall"]
    first = next(iter(outcomes.values()))
    rows = []
    for name, outcome in outcomes.items():
        gained, lost = len(outcome.once - first.once), len(first.once - outcome.once)
        paired = ["-", "-", "-"] if outcome is first else [gained, lost, f"{sign_test(gained, lost):.2f}"]
        counts = [outcome.total[column] for column in (*_VARIANT_COLUMNS, "alerts missed")]
        rows.append([name, *counts, *shares(outcome), *paired])
    return table([*header, "it alone", "the first alone", "p"], rows)


def sign_test(gained: int, lost: int) -> float:
    """Return the chance of a split at least so uneven among as many fair coins, both ways (exact)."""
    tosses, fewer = gained + lost, min(gained, lost)
    return min(1.0, 2 * sum(math.comb(tosses, k) for k in range(fewer + 1)) / float(2**tosses))


def main() -> None:
    """Compose, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("VESTIBULE_DATA"))
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="keep the clips here")
    parser.add_argument("--variant", type=changes_of, action="append", default=[], metavar="SECTION.KEY=VALUE[,...]")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    args = parser.parse_args()
    if not args.data:
        parser.error("name the folder of garments-v1, persons-v1 and clips with --data, or in VESTIBULE_DATA")
    if args.clips < 1 or args.seed < 0:
        parser.error(f"--clips {args.clips} --seed {args.seed}: at least 1, and at least 0")
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as place:
        folder = args.out or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            clips = compose(Path(args.data), args.clips, args.seed, folder)
        except (ArtifactError, OSError, ValueError) as error:
            sys.exit(str(error))
        outcomes = {"what ships": measure(clips, {})}
        parts = [clips_table(outcomes["what ships"])]
        print(parts[0], flush=True)
        outcomes |= {told(changes): measure(clips, changes) for changes in args.variant}
    if args.variant:
        parts.append(variants_table(outcomes))
        print(f"\n{parts[1]}", flush=True)
    if args.write:
        put("held-out", "\n\n".join(parts))


def told(changes: dict[str, dict[str, str]]) -> str:
    """Name a variant; of a path, its last part."""
    return ", ".join(
        f"`{section}.{key}={Path(value).name}`" for section, keys in changes.items() for key, value in keys.items()
    )


if __name__ == "__main__":
    main()
