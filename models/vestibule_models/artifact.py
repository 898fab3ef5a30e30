"""Model folders: a manifest.json beside the model files, checked before anything is loaded.

A folder of the zoo, or one that the user brings, holds `manifest.json` and the files that it names. The manifest
is the only place that says how a network wants to be fed and how its answer is to be read.
"""

import hashlib
import json
import math
from pathlib import Path, PurePath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from vestibule_models.labels import LABELS, GarmentGroup, GarmentLabel, GarmentName

ZOO = Path(__file__).parent / "zoo"
MANIFEST = "manifest.json"


_LEAST_SCORE = 1e-6
"""Scores nearer to 0 or 1 count as this near: a logit has no end."""


class ArtifactError(ValueError):
    """A model folder is missing, incomplete, damaged or of another kind; the message says which and what to do."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputSpec(_Model):
    """How pictures are fed to a network.

    Attributes:
        height: pixels.
        width: pixels.
        colour: order of the channels.
        dtype: `uint8` means that the network scales by itself.
        layout: order of the axes.
        resize: aspect is always kept; what is left over is filled with `pad_value`, at the right and below
            (`letterbox-top-left`) or on both sides alike (`letterbox-centre`).
        pad_value: 0 to 255, before scaling.
        mean: subtracted from 0-255 values, per channel in the order of `colour`.
        scale: multiplied afterwards.
    """

    height: int = Field(gt=0)
    width: int = Field(gt=0)
    colour: Literal["rgb", "bgr"]
    dtype: Literal["uint8", "float32"]
    layout: Literal["nhwc", "nchw"] = "nhwc"
    resize: Literal["letterbox-top-left", "letterbox-centre"]
    pad_value: int = Field(default=114, ge=0, le=255)
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0


class ModelFile(_Model):
    """One file of the folder."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(gt=0)


class Thresholds(_Model):
    """Scores at which a category or a group is believed; None where the data could not establish the precision.

    Attributes:
        positives: positive examples among the out-of-fold predictions that the thresholds rest on.
        likely: lowest score whose predictions are right 75 % of the time.
        certain: lowest score whose predictions are right 90 % of the time, and 80 % at the lower end of the interval.
    """

    positives: int = Field(ge=0)
    likely: float | None = Field(ge=0, le=1)
    certain: float | None = Field(ge=0, le=1)


class GroupThresholds(Thresholds):
    """Scores at which a group is believed, on `groups.group_scores`.

    Attributes:
        alone: lowest score whose predictions are right 75 % of the time where no member of the group is likely. Those
            are the hard cases: what is right often enough over all photos may be right less than half the time there.
    """

    alone: float | None = Field(default=None, ge=0, le=1)


class ScoreMap(_Model):
    """Turns a network's score into a probability: Platt scaling on the logit (Platt 1999; Guo et al. 2017, section 4).

    It rises with the score, so that whatever is ranked or compared with a threshold that went through it too stays.

    Attributes:
        slope: of the logit; below 1 where the network is too sure.
        intercept: added to the logit.
    """

    slope: float = Field(gt=0, allow_inf_nan=False)
    intercept: float = Field(allow_inf_nan=False)

    def __call__(self, score: float) -> float:
        """Return the probability, 0 to 1, that an answer with this score, 0 to 1, is right."""
        score = min(max(score, _LEAST_SCORE), 1 - _LEAST_SCORE)
        return 1 / (1 + math.exp(-self.intercept) * math.pow((1 - score) / score, self.slope))


def is_inside(name: str) -> bool:
    """Whether a file's name, read from a table, stays within the folder that it is joined to."""
    path = PurePath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in name


def _inside(name: str) -> str:
    if not is_inside(name):
        raise ValueError(f"file name {name!r} leads out of the model's folder; name a file in it")
    return name


class _Manifest(_Model):
    schema_version: Literal[1]
    name: str
    version: str
    input: InputSpec
    files: dict[Annotated[str, AfterValidator(_inside)], ModelFile] = Field(min_length=1)
    provenance: dict[str, str | int | float] = {}


class GarmentManifest(_Manifest):
    """A garment classifier: `probs` (B, 15) and `embedding` (B, embedding_size) out of (B, h, w, 3).

    Attributes:
        labels: the 15 categories, in the order of the output.
        embedding_size: length of the embedding, unit length.
        same_person_distance: cosine distance below which two embeddings look like one person.
        thresholds: per category, of the network's own scores.
        group_thresholds: per group; one without is never told.
        score_map: from the categories' scores to the probabilities that are published; without, they are published as
            they are.
        group_score_map: likewise of the groups.
    """

    kind: Literal["garment-classifier"]
    labels: tuple[GarmentLabel, ...]
    embedding_size: int = Field(gt=0)
    same_person_distance: float = Field(gt=0, lt=2)
    thresholds: dict[GarmentLabel, Thresholds]
    group_thresholds: dict[GarmentGroup, GroupThresholds] = {}
    score_map: ScoreMap | None = None
    group_score_map: ScoreMap | None = None

    @property
    def all_thresholds(self) -> dict[GarmentName, Thresholds]:
        """Those of the categories and of the groups, of the network's own scores."""
        return dict((*self.thresholds.items(), *self.group_thresholds.items()))

    @property
    def published_thresholds(self) -> dict[GarmentName, Thresholds]:
        """The same as `published` turns scores: to compare with what is published."""
        return {
            name: found.model_copy(
                update={
                    what: self.published(name, value)
                    for what, value in found
                    if what != "positives" and value is not None
                }
            )
            for name, found in self.all_thresholds.items()
        }

    def published(self, name: GarmentName, score: float) -> float:
        """Return the probability that is published for a category's or a group's score."""
        chosen = self.group_score_map if isinstance(name, GarmentGroup) else self.score_map
        return score if chosen is None else chosen(score)

    @model_validator(mode="after")
    def _labels_are_ours(self) -> "GarmentManifest":
        if self.labels != LABELS:
            raise ValueError(f"labels must be the 15 categories in their order, got {list(self.labels)}")
        if missing := [label.value for label in LABELS if label not in self.thresholds]:
            raise ValueError(f"thresholds are missing for {missing}")
        return self


class DetectorManifest(_Manifest):
    """A person detector.

    Attributes:
        decoder: how the output is read. `yolox`: (1, N, 5 + classes) raw, N cells of the grids of `strides` in
            order, row-major; x, y offsets in cells, w, h logarithms in cells; objectness and class scores after
            the sigmoid. `yolov8`: (1, 4 + classes, N) centre x, y, w, h in input pixels and class scores.
        strides: of the grids; not used by `yolov8`.
        classes: how many the network tells apart.
        person_class: the index of "person" among them.
        score_threshold: lowest useful score, from the precision-recall curve that came with the network.
        resizable: the input's height and width may be other multiples of this many pixels; None: only its own.
    """

    kind: Literal["person-detector"]
    decoder: Literal["yolox", "yolov8"]
    strides: tuple[int, ...] = (8, 16, 32)
    classes: int = Field(gt=0)
    person_class: int = Field(ge=0)
    score_threshold: float = Field(default=0.3, gt=0, lt=1)
    resizable: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _own_size_fits(self) -> "DetectorManifest":
        if self.resizable and (self.input.width % self.resizable or self.input.height % self.resizable):
            raise ValueError(f"resizable {self.resizable}: width and height of the input are no multiples of it")
        return self

    def resized(self, width: int, height: int) -> "DetectorManifest":
        """Return the manifest of the same network with an input of another size, pixels.

        Raises:
            ArtifactError: the network does not take that size.
        """
        spec = self.input
        if (width, height) == (spec.width, spec.height):
            return self
        if self.resizable is None:
            raise ArtifactError(
                f"model {self.name} takes {spec.width}x{spec.height} only, not {width}x{height}, for its manifest has "
                "no `resizable`; leave the input size out, or use a model that can be resized"
            )
        if width % self.resizable or height % self.resizable:
            raise ArtifactError(
                f"model {self.name} takes no input of {width}x{height}: width and height must be multiples of "
                f"{self.resizable}, as in {spec.width}x{spec.height}, its own"
            )
        return self.model_copy(update={"input": spec.model_copy(update={"width": width, "height": height})})


Manifest = Annotated[GarmentManifest | DetectorManifest, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[GarmentManifest | DetectorManifest] = TypeAdapter(Manifest)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_manifest(folder: Path) -> GarmentManifest | DetectorManifest:
    """Read and check `folder/manifest.json`; the model files are checked by `model_path`.

    Raises:
        ArtifactError: no manifest, not JSON, or a key that is missing, unknown or out of range.
    """
    path = folder / MANIFEST
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"model folder {folder}: cannot read {MANIFEST} ({error.strerror}); name a folder that holds "
            f"{MANIFEST} and the files it lists"
        ) from error
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) if str(part).isprintable() else repr(part) for part in first["loc"])
        raise ArtifactError(f"{path}: {where}: {first['msg']}; see docs/models.md for the manifest") from error


def model_folder(name: str) -> Path:
    """Return the folder that a command's user means: a path, or the name of a shipped model.

    Raises:
        ArtifactError: neither is there.
    """
    for folder in (Path(name), ZOO / name):
        if (folder / MANIFEST).is_file():
            return folder
    shipped = sorted(path.parent.name for path in ZOO.glob(f"*/{MANIFEST}"))
    raise ArtifactError(f"model {name}: no folder with a {MANIFEST}, nor a shipped model; shipped are {shipped}")


def model_path(folder: Path, manifest: GarmentManifest | DetectorManifest, suffix: str) -> Path:
    """Return the manifest's file that ends in `suffix`, after checking its hash.

    Raises:
        ArtifactError: the manifest names no such file, it is missing, or it is not the one it was.
    """
    names = [name for name in manifest.files if name.endswith(suffix)]
    if not names:
        raise ArtifactError(f"model {manifest.name} in {folder} has no {suffix} file, only {sorted(manifest.files)}")
    path, expected = folder / names[0], manifest.files[names[0]]
    if not path.is_file():
        raise ArtifactError(f"model file {path} is missing; install the model again or restore the file")
    if (found := sha256_of(path)) != expected.sha256:
        raise ArtifactError(
            f"model file {path} has SHA-256 {found[:12]}..., its manifest says {expected.sha256[:12]}...: damaged or "
            "changed; restore it, or export it again so that the manifest agrees"
        )
    return path


def save_manifest(folder: Path, manifest: GarmentManifest | DetectorManifest) -> None:
    """Write `folder/manifest.json`, keys in the model's order, ending in a newline."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=2) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def describe_file(path: Path) -> ModelFile:
    """Return what a manifest says of a file that lies on disk."""
    return ModelFile(sha256=sha256_of(path), bytes=path.stat().st_size)
