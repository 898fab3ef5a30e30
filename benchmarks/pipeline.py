"""Speed of a replay, beside its ideal and beside a plain script.

    python benchmarks/pipeline.py [CLIP] [--frames 300] [--rounds 3] [--no-script]

- *ideal*: decoding, detector and classifier, each alone on the very frames and batches of the run, added up.
- *share of the ideal*: ideal time over the pipeline's own time, per frame; 1 would mean that tracking, cropping,
  batching, visits, rules and payloads cost nothing.
- *plain script*: read, detect, `model.predict` for each person's crop, publish; one after the other (needs
  TensorFlow and mosquitto).
- *whole process*: `vestibule replay` as its user runs it: seconds to the first event and peak memory.

Rounds are interleaved, and the fastest of each kind counts, since other work on the machine only slows.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from vestibule import config, demo
from vestibule.broker import HOST, Mosquitto
from vestibule.classifiers import SHIPPED
from vestibule.pipeline import run_inline
from vestibule.replay import choose_camera
from vestibule.sources.replay import ReplaySource
from vestibule.stages import Models, build_stages, load_models
from vestibule.types import CropBatch, Frame, Reading
from vestibule_models.artifact import load_manifest
from vestibule_models.letterbox import letterbox


class Recorder:
    """The real classifier, keeping the batches that it was given."""

    def __init__(self, models: Models) -> None:
        self._inner = models.classifier
        self.manifest, self.runtime = self._inner.manifest, self._inner.runtime
        self.batches: list[CropBatch] = []

    def classify(self, batch: CropBatch) -> tuple[Reading, ...]:
        """Note and pass on."""
        self.batches.append(batch)
        return self._inner.classify(batch)


def timed(work: Callable[[], object]) -> float:
    """Seconds that a piece of work takes."""
    begin_s = time.perf_counter()
    work()
    return time.perf_counter() - begin_s


def plain_script(clip: Path, count: int, models: Models) -> float:
    """Seconds for the script that one would write first."""
    import keras  # noqa: PLC0415 - optional

    manifest = load_manifest(SHIPPED)
    network = keras.models.load_model(SHIPPED / "model.keras", compile=False)
    network.predict(np.zeros((1, manifest.input.height, manifest.input.width, 3), np.uint8), verbose=0)
    with Mosquitto() as broker:
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.connect(HOST, broker.port)
        client.loop_start()

        def script() -> None:
            capture = cv2.VideoCapture(str(clip))
            for number in range(count):
                good, image = capture.read()
                if not good:
                    break
                picture = np.asarray(image, np.uint8)
                frame = Frame(camera_id="c", seq=number, captured_at_s=0.0, image=picture)
                for x0, y0, x1, y1 in np.rint(models.detector.detect(frame).boxes_xyxy).astype(int):
                    crop, _ = letterbox(picture[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)], manifest.input)
                    probs = network.predict(crop[None, ..., ::-1], verbose=0)
                    client.publish("plain/script", str(probs), qos=1)
            capture.release()

        taken_s = timed(script)
        client.disconnect()
        client.loop_stop()
    return taken_s


def whole_process(clip: Path) -> tuple[float, float, float]:
    """Seconds to the first event, seconds in all, and peak MiB of `vestibule replay`."""
    with tempfile.TemporaryDirectory() as folder:
        events, settings = Path(folder) / "events.jsonl", Path(folder) / "vestibule.toml"
        settings.touch()
        command = [
            sys.executable,
            "-m",
            "vestibule",
            "replay",
            str(clip),
            "--config",
            str(settings),
            "--out",
            str(events),
        ]
        begin_s = time.perf_counter()
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            first_s = float("nan")
            while process.poll() is None:
                if np.isnan(first_s) and events.exists() and events.stat().st_size:
                    first_s = time.perf_counter() - begin_s
                time.sleep(0.01)
        all_s = time.perf_counter() - begin_s
    return first_s, all_s, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def rounds_of(clip: Path, count: int, rounds: int, models: Models) -> dict[str, float]:
    """Fastest seconds of each part over interleaved rounds, and how many frames and crops there were."""
    settings = config.Settings()
    camera = choose_camera(settings, None)
    best: dict[str, float] = {}

    def keep(name: str, seconds: float) -> None:
        best[name] = min(best.get(name, seconds), seconds)

    def source() -> "islice[Frame]":
        return islice(ReplaySource(clip, camera, 0.0).frames(), count)

    def pipeline() -> Sequence[CropBatch]:
        recorder = Recorder(models)
        stages = build_stages(settings, (camera,), Models(detector=models.detector, classifier=recorder))
        keep("pipeline", timed(lambda: run_inline(source(), stages, lambda _: None)))
        return recorder.batches

    frames = list(source())
    batches = pipeline()
    for _ in range(rounds):
        pipeline()
        keep("decode", timed(lambda: sum(1 for _ in source())))
        keep("detect", timed(lambda: [models.detector.detect(frame) for frame in frames]))
        keep("classify", timed(lambda: [models.classifier.classify(batch) for batch in batches]))
    return best | {"frames": len(frames), "crops": sum(len(batch.crops) for batch in batches)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", nargs="?", type=Path, default=demo.HERE / "demo.mp4")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-script", action="store_true")
    args = parser.parse_args()
    first_s, all_s, peak_mib = whole_process(args.clip)
    models = load_models(config.Settings())
    best = rounds_of(args.clip, args.frames, args.rounds, models)
    count = best["frames"]
    ideal_s = best["decode"] + best["detect"] + best["classify"]
    print(f"clip {args.clip.name}, {count:.0f} frames, {best['crops']:.0f} crops, {os.cpu_count()} cores")
    for name in ("decode", "detect", "classify", "pipeline"):
        print(f"{name:20s} {1000 * best[name] / count:8.2f} ms/frame")
    print(f"{'replay':20s} {count / best['pipeline']:8.1f} frames/s")
    print(f"{'share of the ideal':20s} {ideal_s / best['pipeline']:8.2f}")
    if not args.no_script:
        script_s = plain_script(args.clip, args.frames, models)
        print(
            f"{'plain script':20s} {count / script_s:8.1f} frames/s ({script_s / best['pipeline']:.1f} times as long)"
        )
    print(f"{'first event after':20s} {first_s:8.1f} s of {all_s:.1f} s (whole process, whole clip)")
    print(f"{'peak memory':20s} {peak_mib:8.0f} MiB")


if __name__ == "__main__":
    main()
