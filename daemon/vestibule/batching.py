"""Crops of all cameras become batches: full, or the oldest has waited long enough, whichever is first."""

from collections.abc import Sequence

from vestibule.crop_rows import together
from vestibule.sections import BatchingConfig
from vestibule.types import Crop, CropBatch


class Batcher:
    """Gathers crops; the time is passed in, so that it runs on a live clock and on a recording's alike."""

    def __init__(self, config: BatchingConfig) -> None:
        self._config = config
        self._waiting: list[tuple[float, Crop]] = []  # since when, oldest first

    def add(self, crops: Sequence[Crop], now_s: float) -> None:
        """Take crops in."""
        self._waiting.extend((now_s, crop) for crop in crops)

    def wait_s(self, now_s: float) -> float | None:
        """Seconds until a batch falls due; 0 if one is due now, None if nothing waits."""
        if not self._waiting:
            return None
        if len(self._waiting) >= self._config.max_crops:
            return 0.0
        return max(0.0, self._waiting[0][0] + self._config.max_wait_ms / 1000 - now_s)

    def take(self, now_s: float, *, all_of_them: bool = False) -> CropBatch | None:
        """Return the batch that is due, at most `max_crops`, or None; `all_of_them` does not wait (at the end)."""
        if not self._waiting or (not all_of_them and self.wait_s(now_s) != 0.0):
            return None
        crops = tuple(crop for _, crop in self._waiting[: self._config.max_crops])
        del self._waiting[: len(crops)]
        return CropBatch(crops=crops, images=together([crop.image for crop in crops]))
