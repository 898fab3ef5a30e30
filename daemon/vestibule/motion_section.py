"""`[motion]` in the configuration: when a picture needs no look."""

from pydantic import Field

from vestibule.section_types import Fraction, Seconds, Section


class MotionConfig(Section):
    """While nobody is in view, only pictures that have changed are looked at.

    Attributes:
        enabled: false looks at every analysed frame.
        min_change: of a pixel of the small grey picture, grey levels (0 to 255); less is noise.
        min_share: of the small picture's pixels that must have changed.
        look_every_s: the detector looks after so long even if nothing has changed.
        regions: where little has changed, only those columns of the picture are looked at.
    """

    enabled: bool = True
    min_change: int = Field(default=10, ge=1, le=255)
    min_share: Fraction = 0.0005
    look_every_s: Seconds = 1.0
    regions: bool = True
