"""The stages of the configuration, built once: what looks at frames, and what decides about visits.

`Vision` runs in one thread and `Desk` in another; between them flow only frozen types.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vestibule.batching import Batcher
from vestibule.claims import ClaimDecision, Claims
from vestibule.classifiers import Classifier, build_classifier
from vestibule.config import Settings
from vestibule.cores import threads_of
from vestibule.crop_rows import CropRows
from vestibule.cropping import Cropper
from vestibule.detectors import BatchDetector, Detector, RegionDetector, build_detector
from vestibule.gating import MotionGate
from vestibule.payloads import alert_message, visit_message
from vestibule.rules import Rules
from vestibule.sections import CameraConfig, DetectorConfig
from vestibule.stays import Stays
from vestibule.tracking import Tracker
from vestibule.types import (
    WHOLE,
    ClaimRequest,
    Columns,
    Crop,
    Detections,
    Frame,
    Message,
    Reading,
    Stay,
    Tracks,
    Visit,
)
from vestibule.visits import VisitKeeper


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A configuration that takes over while all stages run; cameras that it does not concern notice nothing.

    Attributes:
        settings: the new one; of what the stages look at, only cameras and alerts differ from before.
        anew: ids of the cameras that are new, gone, or not what they were: their visits end.
        at_s: Unix seconds, UTC; what those cameras captured earlier does not count any more.
    """

    settings: Settings
    anew: frozenset[str]
    at_s: float


class Vision:
    """Frames of any camera in, tracks and crops out.

    Attributes:
        most_frames: looked at in one go, each of another camera; 1 where the detector gains nothing by more.
    """

    def __init__(self, settings: Settings, detector: Detector, classifier: Classifier) -> None:
        self._settings = settings
        self._detector = detector
        # Asked once: what a protocol wants is looked up anew by each isinstance.
        self._together = detector if isinstance(detector, BatchDetector) else None
        self._by_region = detector if isinstance(detector, RegionDetector) else None
        self._usual_score = settings.detector.score_threshold or detector.manifest.score_threshold
        self._spec = classifier.manifest.input
        self._rows = CropRows(self._spec)
        self._cameras: dict[str, _Eyes] = {}
        self.most_frames = 1 if self._together is None else self._together.most_frames

    def change(self, change: Change) -> None:
        """Forget whom the cameras that begin anew have seen."""
        self._settings = change.settings
        for camera_id in change.anew:
            self._cameras.pop(camera_id, None)

    def look(
        self, frames: Sequence[Frame], settled: Callable[[str], frozenset[int]]
    ) -> list[tuple[Tracks, tuple[Crop, ...]]]:
        """Follow, then cut out; arguments as those two have them.

        Returns:
            One pair a frame, in their order.
        """
        return [(tracks, self.crop(tracks, settled(tracks.frame.camera_id))) for tracks in self.track(frames)]

    def track(self, frames: Sequence[Frame]) -> list[Tracks]:
        """Detect and follow; the frames that need the detector go to it together.

        Args:
            frames: each the newest of another camera, at most `most_frames`.

        Returns:
            One a frame, in their order.
        """
        views = [(frame, self._cameras.get(frame.camera_id) or self._open_eyes(frame.camera_id)) for frame in frames]
        for found in self._detect([(frame, eyes) for frame, eyes in views if eyes.need(frame)]):
            self._cameras[found.frame.camera_id].see(found)
        return [eyes.follow(frame) for frame, eyes in views]

    def crop(self, tracks: Tracks, settled: frozenset[int]) -> tuple[Crop, ...]:
        """Cut out who is to be read; the camera's next frame may be tracked meanwhile, in another thread.

        Args:
            tracks: what `track` returned, a camera's in their order.
            settled: the camera's tracks that need no more readings.
        """
        return self._cameras[tracks.frame.camera_id].cropper.crops(tracks, settled)

    def _detect(self, views: Sequence[tuple[Frame, "_Eyes"]]) -> Sequence[Detections]:
        if len(views) > 1 and self._together is not None:
            return self._together.detect_all([frame for frame, _ in views])
        return [self._detect_one(frame, eyes) for frame, eyes in views]

    def _detect_one(self, frame: Frame, eyes: "_Eyes") -> Detections:
        if eyes.wanted != WHOLE and self._by_region is not None:
            return self._by_region.detect_region(frame, eyes.wanted, eyes.known(frame))
        return self._detector.detect(frame)

    def _open_eyes(self, camera_id: str) -> "_Eyes":
        settings = self._settings
        self._cameras[camera_id] = eyes = _Eyes(
            gate=MotionGate(settings.motion),
            tracker=Tracker(settings.tracking, self._usual_score),
            cropper=Cropper(settings.cropping, self._spec, self._rows),
        )
        return eyes


@dataclass(kw_only=True)
class _Eyes:
    """What looks at one camera's frames.

    Attributes:
        seen: boxes and scores of what the detector found when it last looked; not the picture, which is to go.
        wanted: columns of the newest frame that are worth a look.
    """

    gate: MotionGate
    tracker: Tracker
    cropper: Cropper
    seen: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | None = None
    wanted: Columns = WHOLE

    def need(self, frame: Frame) -> bool:
        """Whether the detector is to look at this frame; `wanted` then says where."""
        columns = self.gate.opens(frame, also=self._open_columns(frame))
        self.wanted = WHOLE if self.seen is None or columns is None else columns
        return self.seen is None or columns is not None

    def _open_columns(self, frame: Frame) -> Columns | None:
        """Where somebody is looked for of whom the tracker is not sure."""
        boxes, width = self.tracker.open_boxes_xyxy, frame.image.shape[1]
        if not len(boxes):
            return None
        first, last = np.clip((boxes[:, 0].min() / width, boxes[:, 2].max() / width), 0.0, 1.0).tolist()
        return first, last

    def see(self, found: Detections) -> None:
        """Take in what the detector has found."""
        self.seen = (found.boxes_xyxy, found.scores)
        self.gate.looked(found.frame, found.columns)

    def known(self, frame: Frame) -> Detections:
        """Return what is known of a frame before it is looked at: what was found last."""
        assert self.seen is not None, "the first frame is always looked at"  # noqa: S101
        boxes_xyxy, scores = self.seen
        return Detections(frame=frame, boxes_xyxy=boxes_xyxy, scores=scores)

    def follow(self, frame: Frame) -> Tracks:
        """Go on with what was found in this frame, or last."""
        tracks = self.tracker.update(self.known(frame))
        if not self.tracker.is_sure:
            frame.detail.want()  # somebody may be about to be followed
        return tracks


class Desk:
    """Tracks, readings and claims in, messages out: visits, rules, payloads. `seq` is the last message's number."""

    def __init__(self, settings: Settings, cameras: Sequence[CameraConfig], models: "Models", seq: int) -> None:
        self._manifest = manifest = models.classifier.manifest
        self._site, self._prefix = settings.site.id, settings.mqtt.prefix
        self._names = {
            "classifier": f"{manifest.name}@{manifest.version}",
            "detector": f"{models.detector.manifest.name}@{models.detector.manifest.version}",
        }
        self._keepers = {camera.id: self._keeper(camera, settings) for camera in cameras}
        self._since_s: dict[str, float] = {}
        thresholds = manifest.published_thresholds
        self.rules = Rules(rules=settings.alerts, thresholds=thresholds, zone_info=settings.site.zone_info)
        self._stays = Stays(cameras=cameras, config=settings.stays, same_person_distance=manifest.same_person_distance)
        self._claims = Claims(site=self._site, prefix=self._prefix)
        self._settled: dict[str, frozenset[int]] = {}  # replaced whole, so that another thread may read it
        self.seq = seq

    def _keeper(self, camera: CameraConfig, settings: Settings) -> VisitKeeper:
        return VisitKeeper(
            camera=camera,
            config=settings.visits,
            thresholds=self._manifest.all_thresholds,
            same_person_distance=self._manifest.same_person_distance,
            published=self._manifest.published,
        )

    def change(self, change: Change) -> list[Message]:
        """End the visits of the cameras that begin anew; those of the others go on, judged by the new rules."""
        ended = [keeper for camera_id, keeper in self._keepers.items() if camera_id in change.anew]
        messages = [message for keeper in ended for message in self._tell(keeper, keeper.finish(), change.at_s)]
        self._keepers = {
            camera.id: self._keeper(camera, change.settings) if camera.id in change.anew else self._keepers[camera.id]
            for camera in change.settings.cameras
        }
        self._settled = {name: tracks for name, tracks in self._settled.items() if name not in change.anew}
        self._since_s |= dict.fromkeys(change.anew, change.at_s)
        self._stays.watch(change.settings.cameras)
        self.rules.change(change.settings.alerts)
        return messages

    def _counts(self, camera_id: str, captured_at_s: float) -> bool:
        """Whether something is of a camera that there is, as it is now; what was on its way at a change may not be."""
        return camera_id in self._keepers and captured_at_s >= self._since_s.get(camera_id, captured_at_s)

    def settled(self, camera_id: str) -> frozenset[int]:
        """Return the camera's tracks that need no more readings; safe to call from another thread."""
        return self._settled.get(camera_id, frozenset())

    def visit_of(self, camera_id: str, track_id: int) -> Visit | None:
        """Return the visit that a track belongs to, if it is one."""
        return self._keepers[camera_id].visit_of(track_id)

    def see(self, tracks: Tracks, now_s: float) -> list[Message]:
        """Take in one frame's tracks."""
        camera_id = tracks.frame.camera_id
        if not self._counts(camera_id, tracks.frame.captured_at_s):
            return []
        if self._stays.any:
            for stay_id in self._stays.forget(now_s, self._last_seen()):
                self.rules.forget(stay_id)
        messages = self._tell(self._keepers[camera_id], self._keepers[camera_id].see(tracks), now_s)
        self._settled[camera_id] = self._keepers[camera_id].settled_tracks
        return messages

    def read(self, readings: Sequence[Reading], now_s: float) -> list[Message]:
        """Take in readings of any cameras."""
        messages, counting = [], [each for each in readings if self._counts(each.camera_id, each.captured_at_s)]
        for camera_id, keeper in self._keepers.items():
            if mine := [reading for reading in counting if reading.camera_id == camera_id]:
                messages += self._tell(keeper, keeper.read(mine), now_s)
        return messages

    def claim(self, request: ClaimRequest, now_s: float) -> ClaimDecision:
        """Take in a claim."""
        return self._claims.decide(request, now_s)

    def finish(self, now_s: float) -> list[Message]:
        """End every visit: the recording is over, or the daemon stops."""
        return [message for keeper in self._keepers.values() for message in self._tell(keeper, keeper.finish(), now_s)]

    def _place(self, keeper: VisitKeeper, visits: Sequence[Visit]) -> Sequence[Stay | None]:
        """Link before the alerts are judged: a visit is settled at the moment at which its looks are known."""
        if not visits:
            return ()
        looks = {v.visit_id: look for v in visits if (look := keeper.appearance(v.visit_id)) is not None}
        return self._stays.place(visits, looks, self._last_seen())

    def _last_seen(self) -> dict[str, float]:
        return {visit_id: at_s for each in self._keepers.values() for visit_id, at_s in each.last_seen().items()}

    def _tell(self, keeper: VisitKeeper, visits: Sequence[Visit], now_s: float) -> list[Message]:
        messages: list[Message] = []
        for visit, stay in zip(visits, self._place(keeper, visits), strict=True):
            if visit.phase == "ended":  # first: once the broker has the end, it has forgotten the claim
                messages += self._claims.ended(visit.visit_id, now_s)
            self.seq += 1
            messages.append(
                visit_message(
                    visit,
                    stay=stay,
                    site=self._site,
                    prefix=self._prefix,
                    seq=self.seq,
                    model=self._names,
                    at_s=now_s,
                )
            )
            for alert in self.rules.judge(visit, now_s, None if stay is None else stay.stay_id):
                self._claims.raised(alert)
                self.seq += 1
                messages.append(
                    alert_message(alert, site=self._site, prefix=self._prefix, seq=self.seq, model=self._names)
                )
        return messages


@dataclass(frozen=True, kw_only=True)
class Models:
    """The two loaded networks."""

    detector: Detector
    classifier: Classifier


def load_models(settings: Settings) -> Models:
    """Load both networks.

    Raises:
        ModelError: one of them cannot be loaded.
    """
    # Of the whole process. By default it starts a thread for each core, and those that wait for work spin.
    cv2.setNumThreads(threads_of(settings.detector.threads))
    low = DetectorConfig.model_validate(
        {**settings.detector.model_dump(), "score_threshold": settings.tracking.low_score}
    )
    return Models(
        detector=build_detector(low),
        classifier=build_classifier(settings.classifier, max_crops=settings.batching.max_crops),
    )


@dataclass(frozen=True, kw_only=True)
class Stages:
    """Everything between frames and messages."""

    vision: Vision
    batcher: Batcher
    classifier: Classifier
    desk: Desk


def build_stages(settings: Settings, cameras: Sequence[CameraConfig], models: Models, *, seq: int = 0) -> Stages:
    """Build fresh stages around loaded networks, so that a replay of several clips loads them once.

    Args:
        settings: the configuration.
        cameras: those whose frames will come.
        models: the networks.
        seq: number of the last event published so far.
    """
    return Stages(
        vision=Vision(settings, models.detector, models.classifier),
        batcher=Batcher(settings.batching),
        classifier=models.classifier,
        desk=Desk(settings, cameras, models, seq),
    )
