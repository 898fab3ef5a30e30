"""What people write instead: read, detect, (track,) classify, note; one after the other, with the same two networks.

    python rival_loop.py plain|supervision|inference CLIP OUT.jsonl

`rivals.py` runs it, the last two in an environment of their own. It needs `vestibule_models` on PYTHONPATH, for the way
in which the networks are fed and read, and prints seconds, frames, looks and crops as JSON; loading is not counted.

- *plain* classifies every person in every frame, as there is nothing that knows who was there before.
- *supervision* follows people with the ByteTrack of its makers (`trackers`) and classifies each ten times.
- *inference* does the same inside roboflow's InferencePipeline with custom logic: it reads the video in a thread.
"""

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from vestibule_models.artifact import ZOO, DetectorManifest, load_manifest
from vestibule_models.persons_decode import cells, letterbox, read_people, to_tensor

READINGS = 10
_MARGIN = 0.1


class Job:
    """The two networks, and what was done with them."""

    def __init__(self, out: Path) -> None:
        self.counts: Counter[str] = Counter()
        self._out = out.open("w", encoding="utf-8")
        manifest = load_manifest(ZOO / "person-mobilenet")
        if not isinstance(manifest, DetectorManifest):
            raise SystemExit("person-mobilenet is no detector")
        self._people, self._garments = manifest, load_manifest(ZOO / "garments-efflite0")
        self._grid = cells(manifest.input, manifest.strides)
        self._detector, self._classifier = (
            Interpreter(str(next((ZOO / name).glob("*.tflite"))), num_threads=1)
            for name in ("person-mobilenet", "garments-efflite0")
        )
        self._detector.allocate_tensors()
        self._crops = 0
        self.score_threshold = manifest.score_threshold

    def detect(self, image: Any) -> tuple[Any, Any]:  # noqa: ANN401 - arrays
        """Return boxes and scores of the people of one frame."""
        self.counts["frames"] += 1
        canvas, placement = letterbox(image, self._people.input)
        self._detector.set_tensor(self._detector.get_input_details()[0]["index"], to_tensor(canvas, self._people.input))
        self._detector.invoke()
        output = self._detector.get_tensor(self._detector.get_output_details()[0]["index"])
        score = self.score_threshold
        return read_people(output, self._people, self._grid, placement, score_threshold=score, nms_iou=0.5)

    def classify(self, image: Any, boxes: list[Any]) -> None:  # noqa: ANN401 - arrays
        """Read the garments of the people in these boxes, and write them down."""
        if not boxes:
            return
        crops = [cv2.cvtColor(letterbox(cut(image, box), self._garments.input)[0], cv2.COLOR_BGR2RGB) for box in boxes]
        taken = self._classifier.get_input_details()[0]
        if len(crops) != self._crops:
            self._crops = len(crops)
            self._classifier.resize_tensor_input(taken["index"], (len(crops), *crops[0].shape))
            self._classifier.allocate_tensors()
        batch = np.stack(crops)
        if taken["dtype"] != np.uint8:
            spec = self._garments.input
            batch = (batch.astype(np.float32) - np.asarray(spec.mean, np.float32)) * np.float32(spec.scale)
        self._classifier.set_tensor(taken["index"], batch)
        self._classifier.invoke()
        probs = self._classifier.get_tensor(self._classifier.get_output_details()[0]["index"])
        self.counts["crops"] += len(crops)
        self._out.write(json.dumps(probs.tolist()) + "\n")


def cut(image: Any, box: Any) -> Any:  # noqa: ANN401 - arrays
    """Return the part of a picture in a box, with a margin, as a view."""
    (x0, y0, x1, y1), (height, width) = (float(v) for v in box), image.shape[:2]
    dx, dy = _MARGIN * (x1 - x0), _MARGIN * (y1 - y0)
    left, top = max(0, int(x0 - dx)), max(0, int(y0 - dy))
    return image[top : max(top + 1, min(height, int(y1 + dy))), left : max(left + 1, min(width, int(x1 + dx)))]


class Followed:
    """Frames with supervision, and the tracker that its makers moved out of it."""

    def __init__(self, job: Job) -> None:
        import supervision  # type: ignore[import-not-found]  # noqa: PLC0415 - only in its own environment
        import trackers  # type: ignore[import-not-found]  # noqa: PLC0415 - likewise

        self._sv, self._job, self._read = supervision, job, Counter[int]()
        least = job.score_threshold
        self._tracker = trackers.ByteTrackTracker(track_activation_threshold=least, high_conf_det_threshold=least)

    def frame(self, image: Any) -> None:  # noqa: ANN401 - an array
        """Detect, follow, and classify whoever has not been read often enough."""
        boxes, scores = self._job.detect(image)
        found = self._sv.Detections(xyxy=boxes, confidence=scores, class_id=np.zeros(len(boxes), int))
        tracked = self._tracker.update(found)
        ids = tracked.tracker_id if tracked.tracker_id is not None else []
        due = [n for n, track_id in enumerate(ids) if track_id >= 0 and self._read[int(track_id)] < READINGS]
        self._read.update(int(tracked.tracker_id[n]) for n in due)
        self._job.classify(image, [tracked.xyxy[n] for n in due])


def read(clip: Path, work: Any) -> None:  # noqa: ANN401 - a function
    """Give every frame of a clip to a function."""
    capture = cv2.VideoCapture(str(clip))
    while True:
        good, image = capture.read()
        if not good:
            return
        work(image)


def with_inference(clip: Path, followed: Followed) -> None:
    """Let roboflow's pipeline read the clip."""
    from inference import InferencePipeline  # type: ignore[import-not-found]  # noqa: PLC0415 - likewise

    def logic(frames: list[Any]) -> list[dict[str, Any]]:
        for frame in frames:
            followed.frame(frame.image)
        return [{} for _ in frames]

    pipeline = InferencePipeline.init_with_custom_logic(
        video_reference=str(clip), on_video_frame=logic, on_prediction=lambda *_: None
    )
    pipeline.start()
    pipeline.join()


def main() -> None:
    """Run one of the three on a clip."""
    mode, clip, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    cv2.setNumThreads(1)
    job = Job(out)

    def plain(image: Any) -> None:  # noqa: ANN401 - an array
        boxes, _ = job.detect(image)
        job.classify(image, list(boxes))

    followed = None if mode == "plain" else Followed(job)
    began_s = time.perf_counter()
    if followed is None:
        read(clip, plain)
    elif mode == "supervision":
        read(clip, followed.frame)
    else:
        with_inference(clip, followed)
    print(json.dumps({"seconds": time.perf_counter() - began_s, **job.counts}))


if __name__ == "__main__":
    main()
