"""What the runtimes share: how a network's two outputs become readings."""

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
            clothes_lab=crop.clothes_lab,
        )
        for crop, prob, embedding in zip(batch.crops, probs, embeddings, strict=True)
    )


def output_order(shapes: Sequence[Sequence[int | None]], manifest: GarmentManifest) -> tuple[int, int] | None:
    """Return the indices of the `probs` and `embedding` outputs by their widths; None if they do not fit.

    Outputs of one width cannot be told apart and do not fit.
    """
    widths = [shape[-1] if shape else None for shape in shapes]
    wanted = (len(LABELS), manifest.embedding_size)
    if sorted(map(str, widths)) != sorted(map(str, wanted)) or wanted[0] == wanted[1]:
        return None
    return widths.index(wanted[0]), widths.index(wanted[1])


def wanted_shapes(manifest: GarmentManifest) -> str:
    """Say what a network of this manifest takes and gives, for an error's text."""
    spec = manifest.input
    return (
        f"its manifest says {spec.dtype} (B, {spec.height}, {spec.width}, 3) and two outputs that can be told apart, "
        f"(B, {len(LABELS)}) and (B, {manifest.embedding_size}); export it again"
    )
