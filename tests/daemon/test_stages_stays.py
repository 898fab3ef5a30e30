"""Two cameras at one desk: counted once, announced once."""

import dataclasses
import heapq
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from toyshop import crossing, frames, toy_models

from vestibule.config import Settings
from vestibule.inline import run_inline
from vestibule.stages import Change, build_stages
from vestibule.types import Appearance, Frame

DOOR, HALL = {"id": "door", "source": "0"}, {"id": "hall", "source": "1"}
FLOOR = {**HALL, "role": "floor"}
Walk = Callable[[float], list[tuple[str, float, float]]]


def both(seconds: float, door: Walk, hall: Walk) -> Iterator[Frame]:
    streams = [frames(seconds, door, camera="door"), frames(seconds, hall, camera="hall")]
    return heapq.merge(*streams, key=lambda frame: (frame.captured_at_s, frame.camera_id))


def told(settings: dict[str, Any], stream: Iterator[Frame]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    loaded = Settings.model_validate(settings)
    run_inline(
        stream, build_stages(loaded, loaded.cameras, toy_models()), lambda m: messages.append(json.loads(m.payload))
    )
    return messages


def stay_ids(messages: list[dict[str, Any]]) -> list[str]:
    return [message["stay"]["stay_id"] for message in messages if message.get("type") == "end"]


def alerts(messages: list[dict[str, Any]]) -> list[str]:
    return [message["camera"] for message in messages if "rule" in message]


def test_one_customer_before_two_cameras_is_announced_once() -> None:
    messages = told({"cameras": [DOOR, FLOOR]}, both(14, crossing("Dress", 0.5), crossing("Dress", 8)))
    assert alerts(messages) == ["door"]
    assert len(stay_ids(messages)) == 2
    assert len(set(stay_ids(messages))) == 1
    ends = {message["camera"]: message for message in messages if message.get("type") == "end"}
    assert ends["door"]["stay"] == ends["hall"]["stay"]
    assert ends["hall"]["stay"] == {
        "stay_id": ends["door"]["visit_id"],
        "cameras": ["door", "hall"],
        "in_doubt": False,
    }


def test_another_customer_before_the_second_camera_is_announced_too() -> None:
    messages = told({"cameras": [DOOR, FLOOR]}, both(14, crossing("Dress", 0.5), crossing("Blazer", 8)))
    assert alerts(messages) == ["door", "hall"]
    assert len(set(stay_ids(messages))) == 2


@pytest.mark.parametrize(
    "settings",
    [{"cameras": [DOOR, HALL]}, {"cameras": [DOOR, FLOOR], "stays": {"enabled": False}}],
    ids=["no camera inside", "turned off"],
)
def test_where_cameras_are_not_linked_nothing_is_said_of_stays(settings: dict[str, Any]) -> None:
    messages = told(settings, both(14, crossing("Dress", 0.5), crossing("Dress", 8)))
    assert alerts(messages) == ["door", "hall"]
    assert not any("stay" in message for message in messages)


def test_a_reload_that_puts_a_camera_on_the_floor_links_from_then_on() -> None:
    before, after = (Settings.model_validate({"cameras": [DOOR, hall]}) for hall in (HALL, FLOOR))
    stages = build_stages(before, before.cameras, toy_models())
    change = Change(settings=after, anew=frozenset({"hall"}), at_s=0.0)
    stages.vision.change(change)
    messages: list[dict[str, Any]] = []
    assert stages.desk.change(change) == []
    run_inline(
        both(14, crossing("Dress", 0.5), crossing("Dress", 8)),
        stages,
        lambda message: messages.append(json.loads(message.payload)),
    )
    assert len(set(stay_ids(messages))) == 1
    assert alerts(messages) == ["door"]


def test_looks_are_in_nothing_that_is_told() -> None:
    messages = told({"cameras": [DOOR, FLOOR]}, both(14, crossing("Dress", 0.5), crossing("Dress", 8)))
    names = {name for message in messages for name in (*message, *message.get("stay", {}))}
    assert "stay_id" in names
    assert not names & {field.name for field in dataclasses.fields(Appearance)} - {"garments"}
    assert not any(isinstance(value, float) for m in messages for value in m.get("stay", {}).values())


def test_what_a_camera_tells_is_the_same_without_the_other_but_for_the_stay() -> None:
    def of_the_door(settings: dict[str, Any], stream: Iterator[Frame]) -> list[dict[str, Any]]:
        known = {"stay": None, "event_id": None, "seq": None}
        return [{**m, **known} for m in told(settings, stream) if m["camera"] == "door"]

    alone = of_the_door({"cameras": [DOOR]}, frames(14, crossing("Dress", 0.5), camera="door"))
    beside = of_the_door({"cameras": [DOOR, FLOOR]}, both(14, crossing("Dress", 0.5), crossing("Dress", 8)))
    assert alone == beside
