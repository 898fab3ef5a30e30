"""A track that has just begun, while it is open whose it is."""

import numpy as np
import numpy.typing as npt

from vestibule.consensus import Evidence
from vestibule.geometry import Sight
from vestibule.motion import Standing


class Fragment:
    """A track of which it is not known yet whether it is somebody new or somebody who has come back.

    Attributes:
        track_id: the tracker's.
        sights: all of them, oldest first; never empty, and short, as it is soon decided.
        evidence: its readings.
        colours: what the person wears, as `colours.signatures`; None if not known yet.
        standing: since when the person has been standing.
    """

    def __init__(self, track_id: int, sight: Sight, evidence: Evidence) -> None:
        self.track_id = track_id
        self.sights = [sight]
        self.evidence = evidence
        self.standing = Standing(sight)
        self.colours: npt.NDArray[np.float32] | None = None

    def observe(self, sight: Sight) -> None:
        """Follow the person to the next sight."""
        self.sights.append(sight)
        self.standing.observe(sight)

    @property
    def first_at_s(self) -> float:
        """When the track began."""
        return self.sights[0].at_s
