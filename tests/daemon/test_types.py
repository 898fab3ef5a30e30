"""What flows through the pipeline cannot be changed on the way."""

import ast
import dataclasses
import inspect

import numpy as np
import pytest
from fakes import crop, detections, frame, tracks

import vestibule.types
from vestibule.types import (
    Alert,
    Appearance,
    ClaimRequest,
    Crop,
    CropBatch,
    Detections,
    Frame,
    Garment,
    LargerPicture,
    Message,
    Reading,
    Stay,
    Tracks,
    Visit,
    read_only,
)

Flowing = (
    Frame
    | LargerPicture
    | Detections
    | Tracks
    | Crop
    | CropBatch
    | Reading
    | Garment
    | Stay
    | Visit
    | Appearance
    | Alert
    | Message
    | ClaimRequest
)

GARMENT = Garment(label="Dress", score=0.9, votes=3)
EXAMPLES: list[Flowing] = [
    frame(image=np.zeros((4, 6, 3), np.uint8)),
    LargerPicture(image=np.zeros((4, 6, 3), np.uint8), before_s=0.0),
    detections([(0, 0, 2, 2)]),
    tracks({1: (0, 0, 2, 2)}),
    crop(),
    CropBatch(crops=(crop(),), images=np.zeros((1, 64, 32, 3), np.uint8)),
    Reading(
        camera_id="door",
        track_id=1,
        captured_at_s=0.0,
        quality=0.5,
        probs=np.zeros(15, np.float32),
        embedding=np.ones(1, np.float32),
    ),
    GARMENT,
    Stay(stay_id="v", cameras=("door",), in_doubt=False),
    Appearance(look=np.ones(1, np.float32), garments=np.zeros(15, np.float32)),
    Visit(
        visit_id="v",
        camera_id="door",
        first_seen_at_s=0.0,
        last_seen_at_s=1.0,
        entered=True,
        zones=("till",),
        garments=(GARMENT,),
        phase="new",
        settled=False,
        silent=False,
        readings=1,
    ),
    Alert(
        alert_id="a",
        visit_id="v",
        camera_id="door",
        zones=(),
        rule="dress",
        garments=(GARMENT,),
        first_seen_at_s=0.0,
        raised_at_s=1.0,
    ),
    Message(topic="vestibule/shop/alerts", at_s=0.0, payload=b"{}"),
    ClaimRequest(alert_id="a", payload=b"{}"),
]
ARRAYS = [
    (example, field.name)
    for example in EXAMPLES
    for field in dataclasses.fields(example)
    if isinstance(getattr(example, field.name), np.ndarray)
]

each = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)


def test_there_is_an_example_of_every_type() -> None:
    classes = {
        name
        for name, thing in vars(vestibule.types).items()
        if inspect.isclass(thing) and dataclasses.is_dataclass(thing)
    }
    assert {type(example).__name__ for example in EXAMPLES} == classes


@each
def test_a_field_cannot_be_set(example: Flowing) -> None:
    for field in dataclasses.fields(example):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(example, field.name, None)


@each
def test_there_is_no_room_for_other_fields_and_all_are_named(example: Flowing) -> None:
    assert not hasattr(example, "__dict__")
    assert all(field.kw_only for field in dataclasses.fields(example))


@each
def test_no_field_is_a_dictionary_or_optional(example: Flowing) -> None:
    for field in dataclasses.fields(example):
        assert "dict" not in str(field.type)
        assert "None" not in str(field.type)


@pytest.mark.parametrize(("example", "name"), ARRAYS, ids=lambda value: value if isinstance(value, str) else "")
def test_arrays_are_read_only_and_the_owners_stay_writeable(example: Flowing, name: str) -> None:
    array = getattr(example, name)
    with pytest.raises(ValueError, match="read-only"):
        array[...] = 0
    mine = array.copy()
    changed = dataclasses.replace(example, **{name: mine})
    assert np.shares_memory(getattr(changed, name), mine)  # pictures are not copied on their way
    assert mine.flags.writeable
    assert not getattr(changed, name).flags.writeable


def test_types_with_arrays_are_compared_by_identity() -> None:
    """Arrays have no truth value, so comparing them field by field would raise."""
    for example in {id(example): example for example, _ in ARRAYS}.values():
        assert example == example  # noqa: PLR0124 - the point
        assert example != dataclasses.replace(example)
        assert len({example, dataclasses.replace(example)}) == 2


def test_types_without_arrays_are_compared_by_value() -> None:
    with_arrays = {id(example) for example, _ in ARRAYS}
    plain = [example for example in EXAMPLES if id(example) not in with_arrays]
    assert len(plain) == 6
    for example in plain:
        assert example == dataclasses.replace(example)
        assert len({example, dataclasses.replace(example)}) == 1


def test_read_only_gives_a_view() -> None:
    array = np.arange(4)
    view = read_only(array)
    array[0] = 9
    assert view[0] == 9
    assert not view.flags.writeable


def test_the_module_imports_numpy_only() -> None:
    tree = ast.parse(inspect.getsource(vestibule.types))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} == {"dataclasses", "typing", "numpy"}
