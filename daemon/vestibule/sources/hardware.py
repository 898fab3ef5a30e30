"""Decoding on hardware made for it, where there is some; on the processor everywhere else, and the log says why."""

import functools
from collections.abc import Sequence
from typing import Literal

import av
import structlog
from av.codec.hwaccel import HWAccel, hwdevices_available

log = structlog.get_logger()

HardwareDecoder = Literal["off", "auto", "cuda", "vaapi", "qsv", "drm"]
"""cuda: NVIDIA (NVDEC); vaapi: Intel and AMD; qsv: Intel; drm: boards whose kernel decodes (V4L2 requests)."""
_CODEC = "h264"
"""What cameras send; of another codec than the hardware knows, FFmpeg goes back to the processor by itself."""


@functools.cache
def decoder(wanted: HardwareDecoder) -> HWAccel | None:
    """Return what FFmpeg is to decode with; None is the processor. Tried, and logged, once for each setting.

    Args:
        wanted: the setting; "auto" takes the first that works of those that this FFmpeg was built with.
    """
    if wanted == "off":
        return None
    kinds = hwdevices_available() if wanted == "auto" else [wanted]
    faults = []
    for kind in kinds:
        accelerator = HWAccel(kind, allow_software_fallback=True)
        if fault := _fault(accelerator):
            faults.append(f"{kind}: {fault}")
        else:
            log.info("decoding on hardware", device=kind)
            return accelerator
    _say_why(wanted, faults)
    return None


def _fault(accelerator: HWAccel) -> str | None:
    try:
        accelerator.create(av.codec.Codec(_CODEC, "r"))
    except NotImplementedError:
        return "this FFmpeg has no such decoder"
    except (av.FFmpegError, RuntimeError) as error:
        return f"no such device, or no right to use it ({type(error).__name__})"
    return None


def _say_why(wanted: HardwareDecoder, faults: Sequence[str]) -> None:
    reason = "; ".join(faults) or "this FFmpeg was built without any"
    tell = log.info if wanted == "auto" else log.warning
    tell("decoding on the processor", capture_hardware=wanted, reason=reason)
