"""The annotated video: what the pipeline saw, drawn on the recording."""

from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np

from vestibule.drawing import FONT, GREY, ORANGE, WHITE, Image, draw_label, draw_person
from vestibule.errors import SinkError
from vestibule.sections import CameraConfig
from vestibule.types import Frame, Tracks, Visit

_SMALL_PX = 960
"""Pictures narrower than this are doubled, so that the labels stay readable."""
_BANNER_S = 3.0
_TIME_BASE = Fraction(1, 90_000)
_CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}


class Annotator:
    """Draws boxes, track ids, garments, the entrance line, zones and alerts, and encodes H.264.

    Args:
        path: the video to write; its ending names the container (.mp4, .mov, .mkv).
        camera: whose line and zones are drawn.

    Raises:
        SinkError: the file cannot be written, or its ending is none of these.
    """

    def __init__(self, path: Path, camera: CameraConfig) -> None:
        self._path, self._camera = path, camera
        self._stream: av.VideoStream | None = None
        self._first_s = 0.0
        self._last_pts = -1
        self._banner: tuple[str, float] = ("", 0.0)
        self._alerted: set[str] = set()
        container = _CONTAINERS.get(path.suffix.lower())
        if container is None:
            raise SinkError(f"annotated video {path}: ends in none of {', '.join(_CONTAINERS)}; name an .mp4")
        try:
            # Opened here and not by FFmpeg: faults show at once, and PyAV crashes where its own file fills the disk.
            self._file = path.open("wb")
        except OSError as error:
            raise SinkError(
                f"annotated video {path}: cannot be written ({error.strerror}); name a writable .mp4"
            ) from error
        self._container = av.open(self._file, "w", format=container)

    def draw(
        self, frame: Frame, tracks: Tracks, visits: Sequence[Visit | None], alerts: Sequence[tuple[str, str]]
    ) -> None:
        """Write one frame.

        Args:
            frame: the picture.
            tracks: who was seen in it.
            visits: the visit of each track, None where it is none.
            alerts: (visit_id, summary) of the alerts that this frame raised.

        Raises:
            SinkError: the file cannot be written any more.
        """
        for visit_id, summary in alerts:
            self._alerted.add(visit_id)
            self._banner = (summary, frame.captured_at_s + _BANNER_S)
        scale = 2 if frame.image.shape[1] < _SMALL_PX else 1
        canvas = np.asarray(cv2.resize(frame.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
        self._draw_places(canvas)
        for track_id, box, visit in zip(tracks.ids.tolist(), tracks.boxes_xyxy * scale, visits, strict=True):
            alerted = visit is not None and visit.visit_id in self._alerted
            draw_person(canvas, track_id, box, visit, alerted=alerted)
        if self._banner[1] > frame.captured_at_s:
            _banner(canvas, self._banner[0])
        self._encode(canvas, frame.captured_at_s)

    def _draw_places(self, canvas: Image) -> None:
        size = np.array(canvas.shape[1::-1])
        for zone in self._camera.zones:
            corners = np.rint(np.array(zone.polygon) * size).astype(np.int32)
            cv2.polylines(canvas, [corners], isClosed=True, color=GREY, thickness=2, lineType=cv2.LINE_AA)
            draw_label(canvas, f"{zone.name} ({zone.kind})", (int(corners[:, 0].min()), int(corners[:, 1].min())), GREY)
        if self._camera.entrance is not None:
            start, end = np.rint(np.array(self._camera.entrance.line) * size).astype(int).tolist()
            cv2.line(canvas, start, end, WHITE, 2, cv2.LINE_AA)
            draw_label(canvas, "entrance", (start[0], start[1] - 4), GREY)

    def _encode(self, canvas: Image, at_s: float) -> None:
        try:
            if self._stream is None:
                self._first_s = at_s
                self._stream = self._container.add_stream(
                    "libx264", rate=30, options={"crf": "23", "preset": "veryfast"}
                )
                self._stream.width, self._stream.height = (max(2, side & ~1) for side in canvas.shape[1::-1])
                self._stream.pix_fmt = "yuv420p"
                self._stream.codec_context.time_base = self._stream.time_base = _TIME_BASE
            wanted = (self._stream.width, self._stream.height)
            if canvas.shape[1::-1] != wanted:
                canvas = np.asarray(cv2.resize(canvas, wanted), np.uint8)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(canvas), format="bgr24")
            # Strictly rising, as the container wants it, also where a clock stands still or is set back.
            self._last_pts = max(self._last_pts + 1, round((at_s - self._first_s) / _TIME_BASE))
            picture.pts, picture.time_base = self._last_pts, _TIME_BASE
            self._container.mux(self._stream.encode(picture))
        except (OSError, av.FFmpegError) as error:
            raise SinkError(f"annotated video {self._path}: cannot be written ({error})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush the encoder and close the file, whatever happened; a video without a frame is removed."""
        try:
            with ExitStack() as stack:
                stack.callback(self._file.close)
                stack.callback(self._container.close)
                if self._stream is not None:
                    self._container.mux(self._stream.encode(None))
        except (OSError, av.FFmpegError) as fault:
            if error is None:  # else what went wrong first is the better news
                raise SinkError(f"annotated video {self._path}: cannot be written ({fault})") from fault
        if self._stream is None:
            self._path.unlink(missing_ok=True)


def _banner(canvas: Image, text: str) -> None:
    height, width = canvas.shape[:2]
    bar = canvas[height - 44 :]
    bar[:] = (bar * 0.25 + np.array(ORANGE) * 0.75).astype(np.uint8)
    cv2.putText(canvas, text[: width // 12], (16, height - 15), FONT, 0.8, WHITE, 1, cv2.LINE_AA)
