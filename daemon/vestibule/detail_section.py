"""`[detail]` in the configuration: cameras with a small stream to detect on and a large one to cut people out of."""

from pydantic import Field

from vestibule.section_types import Seconds, Section


class DetailConfig(Section):
    """When the main stream of a camera with `detect_source` is decoded, and which of its pictures are good enough.

    Attributes:
        max_skew_s: people are cut out of a main picture that was taken so long before or after the small one, at most.
        linger_s: decoding goes on for so long after the last one in view who is to be read.
        buffer_s: of the main stream, so many seconds wait undecoded at most.
        buffer_mb: and so many megabytes.
    """

    max_skew_s: Seconds = 0.2
    linger_s: Seconds = 3.0
    buffer_s: Seconds = 10.0
    buffer_mb: float = Field(default=16.0, gt=0, le=1024)
