from pathlib import Path

import cv2
import numpy as np
import pytest

from vestibule_models.artifact import InputSpec
from vestibule_models.dataset import Example
from vestibule_models.labels import LABELS
from vestibule_models.views import Views, processes

SPEC = InputSpec(height=32, width=16, colour="rgb", dtype="uint8", resize="letterbox-centre", pad_value=114)


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    picture = np.random.default_rng(0).integers(0, 256, (60, 30, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "one.png"), picture)
    known = np.ones(len(LABELS), np.float32)
    one = Example(path=tmp_path / "one.png", source="ccp", split="train", group="g", targets=known, known=known)
    return [one] * 40


def test_views_differ_from_each_other_and_from_epoch_to_epoch(examples: list[Example]) -> None:
    views = Views(spec=SPEC, seed=3)
    first = views.epoch(0, examples)
    assert first.shape == (40, 32, 16, 3)
    assert len({view.tobytes() for view in first}) == 40
    assert not np.array_equal(first, views.epoch(1, examples))


def test_several_processes_make_what_one_makes(examples: list[Example]) -> None:
    alone = Views(spec=SPEC, seed=3).epoch(0, examples)
    pool = processes(2)
    assert pool is not None
    with pool:
        np.testing.assert_array_equal(Views(spec=SPEC, seed=3, pool=pool).epoch(0, examples), alone)


def test_what_was_kept_is_read_and_not_made_again(examples: list[Example], tmp_path: Path) -> None:
    views = Views(spec=SPEC, seed=3, folder=tmp_path / "views")
    made = np.array(views.epoch(0, examples))
    examples[0].path.unlink()
    np.testing.assert_array_equal(views.epoch(0, examples), made)


def test_one_process_needs_no_pool() -> None:
    assert processes(1) is None
