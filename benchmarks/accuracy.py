"""Visits and alerts against the truth of composed or rendered clips.

    python benchmarks/accuracy.py [CLIP.mp4 ...] [--data DIR] [--config FILE] [--camera ID]

Each CLIP.mp4 has its CLIP.truth.json beside it. Without clips: the shipped demo clip, and with `--data` (or the
environment variable VESTIBULE_DATA) the composed clips of that folder too. Prints a Markdown table.

How it counts: in each frame, tracks are matched to true boxes at an overlap (IoU) of 0.5 or more. A visit belongs to
the person whom its tracks match in most frames. A person is *counted once* with exactly one visit. An *id switch* is
a change of track id from one matched frame of a person to the next (as in MOT16, arXiv:1603.00831). An alert is right
if its person wears each garment that it names, wrong if one is absent; garments in doubt in the truth count neither
way; a group stands for any of its members. A *miss* is somebody in a Dress or Blazer, who may alert, of whom no alert
came.
"""

import argparse
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from vestibule import config, demo
from vestibule.inline import run_inline
from vestibule.replay import choose_camera
from vestibule.sources.replay import ReplaySource
from vestibule.stages import Models, build_stages, load_models
from vestibule.tracking import iou
from vestibule.types import Frame, Message, Tracks, Visit
from vestibule_models.labels import MEMBERS, GarmentGroup

ALERTED = {"Dress", "Blazer"}
LEAST_IOU = 0.5
COLUMNS = (
    "clip",
    "visitors",
    "counted once",
    "twice",
    "missed",
    "other visits",
    "id switches",
    "alerts right",
    "wrong",
    "in doubt",
    "duplicate",
    "alerts missed",
    "precision",
    "recall",
)


@dataclass
class Watch:
    """What one clip gave: matches of tracks to people, visits of tracks, alerts."""

    people: list[dict[str, Any]]
    matches: Counter[tuple[int, int]] = field(default_factory=Counter)  # (track, person) -> frames
    last_track: dict[int, int] = field(default_factory=dict)
    switches: int = 0
    visit_of: dict[int, str] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)

    def see(self, seq: int, tracks: Tracks) -> None:
        """Match one frame."""
        here = [(i, box[1:]) for i, p in enumerate(self.people) for box in p["frames"].get(seq, ())]
        if not here or not len(tracks.ids):
            return
        overlap = iou(np.array([box for _, box in here], float), tracks.boxes_xyxy.astype(float))
        for row, (person, _) in enumerate(here):  # as in MOT16: a match that still holds is kept
            kept = np.flatnonzero(tracks.ids == self.last_track.get(person, -1))
            if kept.size and overlap[row, kept[0]] >= LEAST_IOU:
                overlap[row, kept[0]] += 2
        for row, column in zip(*linear_sum_assignment(-overlap), strict=True):
            if overlap[row, column] < LEAST_IOU:
                continue
            person, track = here[row][0], int(tracks.ids[column])
            self.matches[track, person] += 1
            self.switches += self.last_track.get(person, track) != track
            self.last_track[person] = track

    def note_visits(self, in_view: Sequence[int], visit_of: Callable[[int], Visit | None]) -> None:
        """Ask for the visits of the tracks in view, and of those that are gone: some visits are told only then."""
        for track in {*in_view, *(track for track, _ in self.matches)}:
            if visit := visit_of(track):
                self.visit_of[track] = visit.visit_id

    def visits(self) -> set[str]:
        """Return the visits that began."""
        return {message["visit_id"] for message in self.messages if message.get("type") == "new"}

    def owner_of_visits(self) -> dict[str, int]:
        """Visit id -> the person whom it matches in most frames."""
        frames: dict[str, Counter[int]] = {}
        for (track, person), count in self.matches.items():
            if visit := self.visit_of.get(track):
                frames.setdefault(visit, Counter())[person] += count
        return {visit: counts.most_common(1)[0][0] for visit, counts in frames.items()}


def watch_of(clip: Path) -> Watch:
    """Return what will compare a clip with the truth beside it."""
    truth = json.loads(clip.with_suffix("").with_suffix(".truth.json").read_text(encoding="utf-8"))
    for person in truth["people"]:
        person["frames"] = {}
        for box in person["boxes"]:
            person["frames"].setdefault(box[0], []).append(box)
    return Watch(truth["people"])


def watch_replay(clip: Path, settings: config.Settings, camera_id: str | None, models: Models) -> Watch:
    """Replay one clip beside its truth."""
    camera = choose_camera(settings, camera_id)
    stages, watch = build_stages(settings, (camera,), models), watch_of(clip)

    def observe(frame: Frame, tracks: Tracks, _: Sequence[Message]) -> None:
        watch.see(frame.seq, tracks)
        watch.note_visits(tracks.ids.tolist(), lambda track: stages.desk.visit_of(camera.id, track))

    source = ReplaySource(clip, camera, 0.0)
    run_inline(source.frames(), stages, lambda m: watch.messages.append(json.loads(m.payload)), observe)
    return watch


def measure(clip: Path, settings: config.Settings, camera_id: str | None, models: Models) -> dict[str, Any]:
    """Replay one clip and compare; returns a row by column name."""
    return row_of(clip, watch_replay(clip, settings, camera_id, models))


def row_of(clip: Path, watch: Watch) -> dict[str, Any]:
    """Count what a replay gave, by column name."""
    return {"clip": clip.stem} | count_visits(watch) | count_alerts(watch)


def visits_of(watch: Watch) -> dict[int, int]:
    """Count the visits of each customer, by their number among the people."""
    owner = watch.owner_of_visits()
    per_person = Counter(owner[visit] for visit in watch.visits() if visit in owner)
    return {i: per_person[i] for i, person in enumerate(watch.people) if person["role"] == "customer"}


def count_visits(watch: Watch) -> dict[str, Any]:
    """Compare the visits."""
    customers = visits_of(watch)
    return {
        "visitors": len(customers),
        "counted once": sum(count == 1 for count in customers.values()),
        "twice": sum(count > 1 for count in customers.values()),
        "missed": sum(count == 0 for count in customers.values()),
        "other visits": len(watch.visits()) - sum(customers.values()),
        "id switches": watch.switches,
    }


def count_alerts(watch: Watch) -> dict[str, Any]:
    """Compare the alerts."""
    owner, verdicts = watch.owner_of_visits(), Counter[str]()
    alerted: dict[int, set[str]] = {}
    for alert in (m for m in watch.messages if "rule" in m):
        index = owner.get(alert["visit_id"])
        told = [{garment["label"]} for garment in alert["garments"]]
        told += [set(MEMBERS[GarmentGroup(group["label"])]) for group in alert["groups"]]
        person = None if index is None else watch.people[index]
        if person is None or index is None or person["role"] != "customer":
            verdicts["wrong"] += 1
            continue
        verdicts["duplicate"] += index in alerted
        alerted.setdefault(index, set()).update(*told)
        worn, unknown = set(person["garments"]), set(person["garments_unknown"])
        if any(names.isdisjoint(worn | unknown) for names in told):
            verdicts["wrong"] += 1
        else:
            verdicts["in doubt" if all(names.isdisjoint(worn) for names in told) else "alerts right"] += 1
    due = [i for i, p in enumerate(watch.people) if p["role"] == "customer" and ALERTED & set(p["garments"])]
    found = sum(bool(alerted.get(i, set()) & set(watch.people[i]["garments"])) for i in due)
    right, wrong = verdicts["alerts right"], verdicts["wrong"]
    return {
        **{name: verdicts[name] for name in ("alerts right", "wrong", "in doubt", "duplicate")},
        "alerts missed": len(due) - found,
        "precision": f"{right / (right + wrong):.2f}" if right + wrong else "-",
        "recall": f"{found / len(due):.2f}" if due else "-",
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--data", type=Path, default=os.environ.get("VESTIBULE_DATA"))
    parser.add_argument("--config", type=Path)
    parser.add_argument("--camera")
    args = parser.parse_args()
    plain = config.load(args.config) if args.config else config.Settings()
    models = load_models(plain)
    runs = [(clip, plain, args.camera) for clip in args.clips]
    if not runs:
        runs.append((demo.HERE / "demo.mp4", config.load(demo.HERE / "demo.toml"), None))
        composed = sorted((Path(args.data) / "clips").glob("*.mp4")) if args.data else []
        runs += [(clip, plain, None) for clip in composed]
    print("| " + " | ".join(COLUMNS) + " |\n|" + " --- |" * len(COLUMNS))
    for clip, settings, camera in runs:
        print(
            "| " + " | ".join(str(value) for value in measure(clip, settings, camera, models).values()) + " |",
            flush=True,
        )


if __name__ == "__main__":
    main()
