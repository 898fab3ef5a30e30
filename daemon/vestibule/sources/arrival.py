"""When a live frame was captured, from when it arrived and the camera's own stamp."""

_CREEP = 0.05
_DISTRUST_AFTER_S = 3.0
_TICK_S = 0.001


class ArrivalClock:
    """Tells frames that the network held up from fresh ones.

    Arrival minus stamp is smallest for the frame that travelled fastest; what another frame's is above that, it was
    late. The smallest is let creep up by 5 %, so that a camera's clock of another pace is followed. A camera whose
    frames stay late for three seconds has stamps that say nothing: from there on its frames count as captured when
    they arrive.

    Args:
        tolerated_s: lateness that nobody minds.
    """

    def __init__(self, tolerated_s: float) -> None:
        self._tolerated_s = tolerated_s
        self._lead_s: float | None = None
        self._before_s: float | None = None
        self._captured_s = 0.0
        self._late_since_s: float | None = None
        self._trusted = True

    def captured_at_s(self, arrived_s: float, stamp_s: float | None) -> float:
        """Return when a frame was captured, Unix seconds; later than that of the frame before.

        Args:
            arrived_s: Unix seconds, never less than before.
            stamp_s: the camera's presentation time in seconds, any origin; None if it gave none.
        """
        late_s = 0.0 if stamp_s is None or not self._trusted else self._late_s(arrived_s, stamp_s)
        self._captured_s = max(arrived_s - late_s, self._captured_s + _TICK_S)
        return self._captured_s

    def _late_s(self, arrived_s: float, stamp_s: float) -> float:
        lead_s = arrived_s - stamp_s
        passed_s = 0.0 if self._before_s is None else arrived_s - self._before_s
        self._before_s = arrived_s
        self._lead_s = lead_s if self._lead_s is None else min(lead_s, self._lead_s + _CREEP * passed_s)
        late_s = lead_s - self._lead_s
        if late_s <= self._tolerated_s:
            self._late_since_s = None
        elif self._late_since_s is None:
            self._late_since_s = arrived_s
        elif arrived_s - self._late_since_s > _DISTRUST_AFTER_S:
            self._trusted = False
            return 0.0
        return late_s
