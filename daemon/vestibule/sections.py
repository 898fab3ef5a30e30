"""The sections of the configuration, one frozen model each; a stage imports its own and no other."""

import os
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    Field,
    IPvAnyAddress,
    SecretStr,
    field_validator,
    model_validator,
)

from vestibule.credentials import read_secret
from vestibule.errors import ConfigError
from vestibule.privacy_sections import MaskConfig
from vestibule.redaction import has_password
from vestibule.remote_sections import RemoteConfig
from vestibule.section_types import (
    Fraction,
    Identifier,
    Point,
    Seconds,
    Section,
    Threads,
)


class SiteConfig(Section):
    """The store."""

    id: Identifier = "store"
    time_zone: str = "UTC"

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"unknown time zone {value!r}; use an IANA name such as America/Mexico_City")
        return value

    @property
    def zone_info(self) -> ZoneInfo:
        """The time zone, for opening hours and the store's day."""
        return ZoneInfo(self.time_zone)


class EntranceConfig(Section):
    """The line that a customer crosses on entering.

    Attributes:
        line: its two ends.
        inside: any point on the inner side.
        hysteresis: fraction of the frame's height that the feet must be past the line to count as across.
    """

    line: tuple[Point, Point]
    inside: Point
    hysteresis: float = Field(default=0.02, ge=0, le=0.2)

    @model_validator(mode="after")
    def _has_sides(self) -> Self:
        (x0, y0), (x1, y1), (x, y) = *self.line, self.inside
        if abs((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) < 1e-6:  # noqa: PLR2004 - the cross product is 0
            raise ValueError("the line has no length or `inside` lies on it; name a point clearly on the inner side")
        return self


class ZoneConfig(Section):
    """A polygon of the picture, entered by the feet.

    Attributes:
        kind: `area` is reported and can be asked for by a rule; people in a `staff` zone never alert;
            people in an `ignore` zone are not looked at.
        polygon: at least three corners.
    """

    name: Identifier
    kind: Literal["area", "staff", "ignore"] = "area"
    polygon: tuple[Point, ...] = Field(min_length=3)


class CameraConfig(Section):
    """One camera.

    Attributes:
        role: `entrance` if people come in before it, `floor` if it shows those who are inside already.
        source: `rtsp://...`, `rtsps://...`, `http://...` (MJPEG), a USB camera's index or `/dev/video*`, or a video
            file.
        detect_source: the camera's sub-stream, to detect on; people are then cut out of `source`, the main stream.
        username: instead of writing it into the address.
        password_file: file with the password; a bare name is looked up in `$CREDENTIALS_DIRECTORY`.
        password_env: the variable that holds the password, in place of a file.
        transport: how RTSP sends pictures; UDP loses some where TCP is late.
        ca_file: with rtsps and https, the authority that signed the camera's certificate; the system's if absent.
        verify_tls: with rtsps and https, whether the certificate is checked.
    """

    id: Identifier
    role: Literal["entrance", "floor"] = "entrance"
    source: str = Field(min_length=1)
    detect_source: Annotated[str, Field(min_length=1)] | None = None
    username: str | None = None
    password_file: Path | None = None
    password_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    transport: Literal["tcp", "udp"] = "tcp"
    ca_file: Path | None = None
    verify_tls: bool = True
    entrance: EntranceConfig | None = None
    zones: tuple[ZoneConfig, ...] = ()
    masks: tuple[MaskConfig, ...] = ()

    @field_validator("source", mode="before")
    @classmethod
    def _index_is_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("source", "detect_source")
    @classmethod
    def _no_password(cls, value: str | None) -> str | None:
        if value is not None and has_password(value):
            raise ValueError("a password in the address ends up in logs; use `username` and `password_file`")
        return value

    @model_validator(mode="after")
    def _two_streams(self) -> Self:
        if self.detect_source is None:
            return self
        if not all(one.lower().startswith(("rtsp://", "rtsps://")) for one in (self.source, self.detect_source)):
            raise ValueError("detect_source is for RTSP cameras; source and detect_source must be rtsp:// or rtsps://")
        if self.source == self.detect_source:
            raise ValueError("source and detect_source are the same; name the sub-stream's address, or leave it out")
        return self

    @model_validator(mode="after")
    def _password_has_user(self) -> Self:
        user = self.username or ("://" in self.source and urlsplit(self.source).username)
        if self.password_file is not None and self.password_env is not None:
            raise ValueError("password_file and password_env are set; remove one of them")
        if (self.password_file is not None or self.password_env is not None) and not user:
            raise ValueError("a password is set and nobody's name is; set username too")
        return self

    def password(self) -> SecretStr | None:
        """Read the camera's password.

        Raises:
            ConfigError: the file cannot be read, or the variable is not set.
        """
        if self.password_env is not None:
            if not os.environ.get(self.password_env):
                raise ConfigError(f"camera {self.id}: the variable {self.password_env} (password_env) is not set")
            return SecretStr(os.environ[self.password_env])
        return None if self.password_file is None else read_secret(self.password_file)


class CaptureConfig(Section):
    """How live cameras are read; recorded video is never thinned or dropped.

    Attributes:
        analysed_fps: live frames analysed per second and camera, at most.
        max_frame_age_s: a live frame older than this is dropped, not analysed.
        hardware: what RTSP and HTTP cameras are decoded with, the processor where that does not work.
        still_after_s: a camera that sends the very same picture for so long is said to be still.
    """

    open_timeout_s: Seconds = 5.0
    read_timeout_s: Seconds = 5.0
    retry_initial_s: Seconds = 1.0
    retry_max_s: Seconds = 8.0
    analysed_fps: float = Field(default=8.0, gt=0, le=60)
    max_frame_age_s: Seconds = 0.5
    hardware: Literal["off", "auto", "cuda", "vaapi", "qsv", "drm"] = "off"
    still_after_s: Seconds = 60.0

    @model_validator(mode="after")
    def _retries_grow(self) -> Self:
        if self.retry_initial_s > self.retry_max_s:
            raise ValueError(f"retry_initial_s, {self.retry_initial_s:g}, is above retry_max_s, {self.retry_max_s:g}")
        return self


class DetectorConfig(Section):
    """The person detector.

    Attributes:
        runtime: `auto` is TensorFlow where it is installed and sees a GPU, for the shipped model and for a .keras file;
            else LiteRT or OpenCV, as the model's file asks for.
        model: a model folder (manifest.json and .tflite, .onnx or .keras); the shipped one if absent.
        input_size: width x height that pictures are fitted into, pixels; the manifest's if absent.
        score_threshold: the manifest's if absent.
        nms_iou: of two boxes that overlap more, the lower score goes.
        max_frames: with TensorFlow, frames of different cameras that are looked at in one go.
        xla: with TensorFlow, compile the graphs.
        mixed_precision: with TensorFlow, compute in float16.
    """

    runtime: Literal["auto", "litert", "opencv", "tensorflow"] = "auto"
    model: Path | None = None
    input_size: Annotated[str, Field(pattern=r"^[1-9][0-9]{1,3}x[1-9][0-9]{1,3}$")] | None = None
    score_threshold: float | None = Field(default=None, gt=0, lt=1)
    nms_iou: float = Field(default=0.5, gt=0, lt=1)
    threads: Threads = "auto"
    max_frames: int = Field(default=8, ge=1, le=64)
    xla: bool = False
    mixed_precision: bool = False

    @property
    def input_wh(self) -> tuple[int, int] | None:
        """`input_size` as two numbers."""
        if self.input_size is None:
            return None
        width, height = self.input_size.split("x")
        return int(width), int(height)


class TrackingConfig(Section):
    """ByteTrack (Zhang et al. 2022), with times in seconds.

    Attributes:
        high_score: detections from here on are matched first; the detector's own threshold if absent.
        low_score: detections from here on may continue a track.
        new_score_margin: above `high_score`, what a detection needs to start a track.
        match_iou: least overlap of a match in the first round; 0.5 in the second.
        lost_s: how long a track that is not seen may come back.
        confirm_hits: frames in a row until a new track counts.
    """

    high_score: float | None = Field(default=None, gt=0, lt=1)
    low_score: float = Field(default=0.1, gt=0, lt=1)
    new_score_margin: float = Field(default=0.05, ge=0, lt=1)
    match_iou: float = Field(default=0.2, gt=0, lt=1)
    lost_s: Seconds = 1.5
    confirm_hits: int = Field(default=2, ge=1, le=30)


class CroppingConfig(Section):
    """Which people are worth classifying now.

    Attributes:
        min_height_px: smaller people are not read.
        min_visible: least share of the box inside the frame (guessed from its shape where the frame cuts it).
        min_sharpness: least standard deviation of the Laplacian of the crop, grey levels.
        max_overlap: largest share of the box covered by somebody nearer.
        margin: added on each side, as a fraction of the box, as in the training photos.
        max_per_track: good crops a track gets at most.
        min_interval_s: between two crops of one track.
    """

    min_height_px: int = Field(default=110, ge=16)
    min_visible: Fraction = 0.6
    min_sharpness: float = Field(default=4.0, ge=0)
    max_overlap: Fraction = 0.35
    margin: float = Field(default=0.1, ge=0, le=0.5)
    max_per_track: int = Field(default=10, ge=1, le=100)
    min_interval_s: float = Field(default=0.3, ge=0, le=60)


class BatchingConfig(Section):
    """A batch goes when it is full or the oldest crop has waited long enough."""

    max_crops: int = Field(default=16, ge=1, le=256)
    max_wait_ms: float = Field(default=40.0, ge=0, le=1000)


class ClassifierConfig(Section):
    """The garment classifier.

    Attributes:
        runtime: `auto` is TensorFlow where it is installed and sees a GPU, else LiteRT; `kserve` asks a server, with
            LiteRT where that fails.
        model: a model folder; the shipped one if absent.
        xla: with TensorFlow, compile the graphs.
        mixed_precision: with TensorFlow, compute in float16.
        remote: the server.
    """

    runtime: Literal["auto", "litert", "tensorflow", "kserve"] = "auto"
    model: Path | None = None
    threads: Threads = "auto"
    xla: bool = False
    mixed_precision: bool = False
    remote: RemoteConfig | None = None

    @model_validator(mode="after")
    def _runtime_and_server(self) -> Self:
        if (self.runtime == "kserve") != (self.remote is not None):
            raise ValueError('runtime = "kserve" and a [classifier.remote] with an address go together')
        return self


class VisitsConfig(Section):
    """When readings become garments, tracks become visits, and visits end.

    Attributes:
        min_readings: readings that settle a visit whose garments are clear.
        enough_readings: readings that settle it even if a garment is near its threshold.
        confirm_deadline_s: after the first reading; a visit not settled by then raises no alert.
        break_window_s: a track that ends and starts again within this, near enough and alike, is one visit.
        break_distance: how far away, in box heights per second gone (at least half a box height).
        reentry_window_s: somebody who left the view, or over the entrance line, and returns looking alike
            within this is the same visit; after it the visit ends.
        inside_timeout_s: with an entrance line, how long a visit stays open for somebody who walked on into
            the store, out of view, and was not seen to leave.
        static_distance: movement of the feet, in box heights, below which somebody is a mannequin or a poster
            and no visit.
        staff_after_s: time in a staff zone that makes somebody staff.
    """

    min_readings: int = Field(default=3, ge=1, le=50)
    enough_readings: int = Field(default=9, ge=1, le=50)
    confirm_deadline_s: Seconds = 4.0
    break_window_s: Seconds = 4.0
    break_distance: float = Field(default=1.0, gt=0, le=20)
    reentry_window_s: Seconds = 60.0
    inside_timeout_s: Seconds = 1800.0
    static_distance: float = Field(default=0.15, gt=0, le=5)
    staff_after_s: float = Field(default=1.0, ge=0, le=3600)


class JsonlConfig(Section):
    """Events as lines of a file, beside MQTT; off without a path."""

    path: Path | None = None


class MetricsConfig(Section):
    """Pages over HTTP for those who watch the daemon: /healthz, /readyz, /metrics.

    Attributes:
        host: address of this machine to listen on; without a login, so the loopback unless the network is trusted.
        port: 0 takes any that is free; the log says which.
    """

    enabled: bool = True
    host: IPvAnyAddress = IPv4Address("127.0.0.1")
    port: int = Field(default=9464, ge=0, le=65_535)


class LogConfig(Section):
    """What the daemon says of itself."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"
