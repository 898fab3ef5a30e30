from collections.abc import Callable
from xml.etree import ElementTree as ET

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs matplotlib (the extra `reports`)")

from vestibule_models import plots
from vestibule_models.calibration import Interval
from vestibule_models.reliability import calibration_of

HALF = Interval(value=0.5, low=0.25, high=0.75)


def words(svg: str) -> str:
    return " ".join(ET.fromstring(svg).itertext())  # noqa: S314 - made by the test itself


def test_every_plot_is_svg_with_its_words_and_the_same_each_time() -> None:
    curve = (np.linspace(0, 1, 5), np.linspace(1, 0.5, 5))
    calibration = calibration_of(np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.7, 0.9]))
    assert calibration is not None
    made: dict[str, Callable[[], str]] = {
        "Dress": lambda: plots.ranges({"Dress": HALF}, label="AP", goal=0.8),
        "share worn": lambda: plots.reliability({"before": calibration, "after": calibration}),
        "Jeans": lambda: plots.precision_recall({"Jeans": curve, "Tee": curve}, columns=1),
        "64 px": lambda: plots.bars({"64 px": {"one": HALF}, "96 px": {"one": HALF, "two": HALF}}, label="AP"),
        "Skirt": lambda: plots.matrix(["Dress", "Skirt"], {"Dress": {"Skirt": 3, "Dress": 1}}),
    }
    for word, make in made.items():
        svg = make()
        assert word in words(svg)
        assert svg == make()
