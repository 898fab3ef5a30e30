from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import frame

import vestibule.demo
from vestibule.sections import CameraConfig
from vestibule.sources import ReplaySource
from vestibule.stillness import Stillness
from vestibule.types import Frame

FILMS = (vestibule.demo.HERE / "demo.mp4", *sorted((Path(__file__).parents[1] / "footage").glob("*.mp4")))
NOISE = np.random.default_rng(7)


def noisy(at_s: float, deviation: float) -> Frame:
    image = np.full((360, 640, 3), 90.0) + NOISE.normal(0, deviation, (360, 640, 3))
    return frame(at_s, image=image.round().astype(np.uint8))


def test_the_same_picture_is_still_once_it_has_lasted() -> None:
    stillness, shot = Stillness(10.0), noisy(0.0, 3.0)
    assert [stillness.lasts(replace(shot, captured_at_s=float(second))) for second in range(12)] == [False] * 10 + [
        True
    ] * 2
    assert not stillness.lasts(noisy(12.0, 3.0))
    assert not stillness.lasts(replace(shot, captured_at_s=13.0))


def test_the_least_noise_of_a_sensor_is_none_of_it() -> None:
    stillness = Stillness(5.0)
    assert not any(stillness.lasts(noisy(float(second), 0.3)) for second in range(30))


def test_pictures_of_another_size_are_others() -> None:
    stillness = Stillness(5.0)
    sizes = [(64, 48), (320, 200), (64, 48), (1, 1)]
    assert not any(stillness.lasts(frame(10.0 * number, size=size)) for number, size in enumerate(sizes))


@pytest.mark.parametrize("film", FILMS, ids=lambda film: film.stem)
def test_drawn_people_before_a_background_without_noise_are_not_still(film: Path) -> None:
    stillness = Stillness(5.0)
    assert not any(map(stillness.lasts, ReplaySource(film, CameraConfig(id="door", source="film.mp4"), 0.0).frames()))
