"""Links between two cameras against the truth of rendered pairs of clips.

    python benchmarks/stays.py [--pair ENTRANCE.mp4 FLOOR.mp4]... [--walk MIN MAX | --unknown-walk] [--unlinked]

Each CLIP.mp4 has its CLIP.truth.json beside it; somebody of one name in both is one person. Without pairs: those of
`tests/footage`, of which `first` is the one that the thresholds were chosen on. `--unlinked` turns the linking off, to
see how many alerts there are without. Prints a Markdown table.

How it counts: *before both* cameras are people by the truth; *visits of both* are those of them with a visit of their
own before each (a camera may take two people dressed alike for one who came back). A visit belongs to the person whom
its tracks match in most frames, as in accuracy.py. A visit before the second camera that is linked is *right* if a
visit of its stay before the first is of the same person, else *wrong*. One that is not linked although its person has
a visit before the first camera is *missed*. *In doubt* are the visits that say so, *rightly* if their person was
before the first camera. *Customers* are the people with a visit that is theirs; *counted* are the distinct stays of
their visits.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accuracy import Watch, watch_of

from vestibule.config import Settings
from vestibule.inline import run_inline
from vestibule.sources.replay import ReplaySource, in_step
from vestibule.stages import Models, build_stages, load_models
from vestibule.types import Frame, Message, Tracks

FOOTAGE = Path(__file__).parents[1] / "tests" / "footage"
CAMERAS = ("entrance", "floor")
COLUMNS = (
    "pair",
    "walk, s",
    "before both",
    "visits of both",
    "right",
    "wrong",
    "missed",
    "in doubt",
    "rightly",
    "customers",
    "counted",
    "alerts",
)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The last word on a visit."""

    visit_id: str
    camera: str
    person: str | None
    stay_id: str
    cameras: tuple[str, ...]
    in_doubt: bool


def settings_for(clip: Path, walk_s: tuple[float, float] | None, *, enabled: bool = True) -> Settings:
    """Two cameras, the first with the entrance line of its clip, and the walk between them if it is known."""
    line = json.loads(clip.with_suffix("").with_suffix(".truth.json").read_text(encoding="utf-8"))["entrance"]
    walks = []
    if walk_s is not None:
        walks = [{"from_camera": "entrance", "to_camera": "floor", "min_s": walk_s[0], "max_s": walk_s[1]}]
    entrance, floor = ({"id": name, "source": "replay", "role": name} for name in CAMERAS)
    cameras = [{**entrance, "entrance": line}, floor]
    return Settings.model_validate({"cameras": cameras, "stays": {"enabled": enabled, "walks": walks}})


def replay_pair(clips: Sequence[Path], settings: Settings, models: Models) -> tuple[list[Ended], list[dict[str, Any]]]:
    """Replay both clips in step; returns the visits as they ended, and the alerts."""
    watches = {name: watch_of(clip) for name, clip in zip(CAMERAS, clips, strict=True)}
    stages = build_stages(settings, settings.cameras, models)
    messages: list[dict[str, Any]] = []

    def observe(frame: Frame, tracks: Tracks, _: Sequence[Message]) -> None:
        watch = watches[frame.camera_id]
        watch.see(frame.seq, tracks)
        for track in tracks.ids.tolist():
            if visit := stages.desk.visit_of(frame.camera_id, track):
                watch.visit_of[track] = visit.visit_id

    sources = [ReplaySource(clip, camera, 0.0) for clip, camera in zip(clips, settings.cameras, strict=True)]
    run_inline(in_step(sources), stages, lambda message: messages.append(json.loads(message.payload)), observe)
    owners = {visit: name for watch in watches.values() for visit, name in _owners(watch).items()}
    ended = [
        Ended(
            visit_id=visit["visit_id"],
            camera=visit["camera"],
            person=owners.get(visit["visit_id"]),
            stay_id=stay.get("stay_id", visit["visit_id"]),
            cameras=tuple(stay.get("cameras", [visit["camera"]])),
            in_doubt=stay.get("in_doubt", False),
        )
        for visit in messages
        if visit.get("type") == "end"
        for stay in [visit.get("stay", {})]
    ]
    return ended, [message for message in messages if "rule" in message]


def _owners(watch: Watch) -> dict[str, str]:
    return {visit: watch.people[index]["name"] for visit, index in watch.owner_of_visits().items()}


def people_before_both(clips: Sequence[Path]) -> int:
    """How many names are in both truth files."""
    names = [{person["name"] for person in watch_of(clip).people} for clip in clips]
    return len(names[0] & names[1])


def compare(ended: Sequence[Ended]) -> dict[str, int]:
    """Count the links."""
    first = [visit for visit in ended if visit.camera == "entrance" and visit.person is not None]
    second = [visit for visit in ended if visit.camera == "floor" and visit.person is not None]
    before = {visit.person for visit in first}
    counts = dict.fromkeys(("visits of both", "right", "wrong", "missed", "in doubt", "rightly"), 0)
    counts["visits of both"] = len(before & {visit.person for visit in second})
    for visit in second:
        linked = [each for each in first if each.stay_id == visit.stay_id]
        if linked:
            counts["right" if visit.person in {each.person for each in linked} else "wrong"] += 1
        elif visit.person in before:
            counts["missed"] += 1
        counts["in doubt"] += visit.in_doubt
        counts["rightly"] += visit.in_doubt and visit.person in before
    counts["customers"] = len({visit.person for visit in (*first, *second)})
    counts["counted"] = len({visit.stay_id for visit in (*first, *second)})
    return counts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", nargs=2, type=Path, action="append", metavar="CLIP")
    parser.add_argument("--walk", nargs=2, type=float, metavar="SECONDS", default=(2.0, 30.0))
    parser.add_argument("--unknown-walk", action="store_true", help="the default window, up to two minutes")
    parser.add_argument("--unlinked", action="store_true")
    args = parser.parse_args()
    pairs = args.pair or [[FOOTAGE / f"{name}-{camera}.mp4" for camera in CAMERAS] for name in ("first", "second")]
    models = load_models(Settings())
    print("| " + " | ".join(COLUMNS) + " |\n|" + " --- |" * len(COLUMNS))
    for clips in pairs:
        walk_s = None if args.unknown_walk else tuple(args.walk)
        ended, alerts = replay_pair(clips, settings_for(clips[0], walk_s, enabled=not args.unlinked), models)
        row = {"pair": clips[0].stem.removesuffix("-entrance")}
        row |= {"walk, s": "up to 120" if walk_s is None else f"{walk_s[0]:g} to {walk_s[1]:g}"}
        row |= {"before both": str(people_before_both(clips))}
        shown = {**row, **compare(ended), "alerts": len(alerts)}
        print("| " + " | ".join(str(shown[name]) for name in COLUMNS) + " |", flush=True)


if __name__ == "__main__":
    main()
