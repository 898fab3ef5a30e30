"""A network's two outputs become readings, whichever runtime computed them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vestibule.types import CropBatch, Reading
from vestibule_models.artifact import GarmentManifest
from vestibule_models.labels import LABELS


def to_readings(
    batch: CropBatch, probs: npt.NDArray[np.float32], embeddings: npt.NDArray[np.float32]
) -> tuple[Reading, ...]:
    """Pair each crop with its row of float32 (B, 15) `probs` and (B, D) `embeddings`."""
    return tuple(
        Reading(
            camera_id=crop.camera_id,
            track_id=crop.track_id,
            captured_at_s=crop.captured_at_s,
            quality=crop.quality,
            probs=prob,
            embedding=embedding,
        )
        for crop, prob, embedding in zip(batch.crops, probs, embeddings, strict=True)
    )


def output_order(widths: Sequence[int], manifest: GarmentManifest) -> tuple[int, int] | None:
    """Return the indices of the `probs` and `embedding` outputs by their widths; None if they do not fit."""
    wanted = (len(LABELS), manifest.embedding_size)
    if sorted(widths) != sorted(wanted):
        return None
    return widths.index(wanted[0]), widths.index(wanted[1])
