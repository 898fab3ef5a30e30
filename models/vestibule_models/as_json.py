"""Figures as plain JSON values."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from vestibule_models.calibration import Interval


def as_json(value: Any) -> Any:  # noqa: ANN401 - any figure in, any JSON value out
    """Turn figures into what JSON can hold; what is not a number becomes null.

    A figure with an interval becomes two keys: `ap` the value, `ap_95` the interval's ends.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return as_json({field.name: getattr(value, field.name) for field in fields(value)})
    if isinstance(value, Mapping):
        found: dict[str, Any] = {}
        for key, item in value.items():
            found[str(key)] = as_json(item.value if isinstance(item, Interval) else item)
            if isinstance(item, Interval):
                found[f"{key}_95"] = as_json([item.low, item.high])
        return found
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
