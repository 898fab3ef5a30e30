"""How far the answers of one format of a garment classifier are from those of another."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import GarmentManifest
from vestibule_models.labels import LABELS
from vestibule_models.litert_runner import Answers

Crops = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far a variant is from Keras on the same pictures.

    Attributes:
        probs_max: largest difference of a probability.
        probs_mean: mean absolute difference of the probabilities.
        embedding_max: largest cosine distance between the two embeddings of a picture.
        embedding_mean: mean cosine distance.
    """

    probs_max: float
    probs_mean: float
    embedding_max: float
    embedding_mean: float


def batches(crops: Crops, size: int = 16) -> list[Crops]:
    """Cut into batches."""
    return [crops[start : start + size] for start in range(0, len(crops), size)]


def answers_of(outputs: Any, manifest: GarmentManifest) -> Answers:  # noqa: ANN401 - whatever a runtime gives
    """Read the outputs for one batch, a dictionary or a list; which is which is told by their widths."""
    arrays = [np.asarray(one) for one in (outputs.values() if isinstance(outputs, dict) else outputs)]
    probs, embeddings = (
        next(one for one in arrays if one.shape[-1] == width) for width in (len(LABELS), manifest.embedding_size)
    )
    return Answers(probs=probs, embeddings=embeddings)


def join(parts: Sequence[Answers]) -> Answers:
    """Join the answers of batches."""
    return Answers(
        probs=np.concatenate([part.probs for part in parts]),
        embeddings=np.concatenate([part.embeddings for part in parts]),
    )


def difference(expected: Answers, got: Answers) -> Difference:
    """Compare two runs on the same pictures."""
    apart = np.abs(expected.probs - got.probs)
    distance = np.maximum(0, 1 - np.sum(expected.embeddings * got.embeddings, axis=1))
    return Difference(
        probs_max=float(apart.max()),
        probs_mean=float(apart.mean()),
        embedding_max=float(distance.max()),
        embedding_mean=float(distance.mean()),
    )


def exceeded(found: Difference, bound: Difference) -> str:
    """Say which figures are over the bound; empty if none. NaN is over every bound."""
    pairs = zip(asdict(found).items(), asdict(bound).values(), strict=True)
    return ", ".join(f"{name} is {value:.2g}, over {most:g}" for (name, value), most in pairs if not value <= most)
