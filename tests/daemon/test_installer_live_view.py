"""Live pictures for the installer: the newest only, only while somebody watches, and never more work than that."""

import json
import threading
import weakref
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from fakes import Clock, Image, tracks, visit

from vestibule import drawing
from vestibule.installer.live_view import LiveView, Picture
from vestibule.types import Message, Tracks, Visit

BOX = (100, 50, 200, 300)
GREY = 90


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def view(clock: Clock) -> LiveView:
    return LiveView(clock)


def seen(at_s: float = 0.0, *, width: int = 640, height: int = 360) -> Tracks:
    return tracks({1: BOX}, at_s, image=np.full((height, width, 3), GREY, np.uint8))


def nobody(_camera_id: str, _track_id: int) -> Visit | None:
    return None


def decoded(made: Picture) -> Image:
    return np.asarray(cv2.imdecode(np.frombuffer(made.jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def has(made: Picture | None, colour: tuple[int, int, int]) -> bool:
    assert made is not None
    image = decoded(made)
    return bool((np.abs(image.astype(int) - colour).max(axis=2) < 30).sum() > 200)


def test_nothing_is_kept_or_encoded_while_nobody_watches(view: LiveView) -> None:
    one = seen()
    gone = weakref.ref(one.frame.image)
    view.saw(one, [])
    view.decided(one, [], nobody)
    del one
    assert gone() is None
    assert view.encoded == 0


def test_the_first_question_begins_the_watching(view: LiveView) -> None:
    assert view.picture("door") is None
    view.saw(seen(5.0), [])
    made = view.picture("door")
    assert made is not None
    assert (made.captured_at_s, made.size) == (5.0, (640, 360))


def test_only_the_newest_frame_is_kept(view: LiveView) -> None:
    view.picture("door")
    one = seen(1.0)
    gone = weakref.ref(one.frame.image)
    view.saw(one, [])
    del one
    assert gone() is not None
    view.saw(seen(2.0), [])
    assert gone() is None


def test_a_camera_that_nobody_watches_any_more_is_let_go(view: LiveView, clock: Clock) -> None:
    view.picture("door")
    one = seen()
    gone = weakref.ref(one.frame.image)
    view.saw(one, [])
    del one
    clock.now_s += 4
    view.forget_unwatched()
    assert gone() is not None
    clock.now_s += 2
    view.forget_unwatched()
    assert gone() is None


def test_however_many_ask_a_picture_is_made_five_times_a_second_at_most(view: LiveView, clock: Clock) -> None:
    view.picture("door")
    for number in range(100):  # ten seconds of ten frames, each asked for twenty times
        clock.now_s += 0.1
        view.saw(seen(number / 10), [])
        for _ in range(20):
            view.picture("door")
    assert view.encoded <= 51


def test_a_frame_is_encoded_once(view: LiveView, clock: Clock) -> None:
    view.picture("door")
    view.saw(seen(), [])
    first = view.picture("door")
    clock.now_s += 4
    assert view.picture("door") is first
    assert view.encoded == 1


def test_while_one_picture_is_drawn_others_are_not(view: LiveView, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, go_on = threading.Event(), threading.Event()
    encode = cv2.imencode

    def slowly(*args: Any) -> Any:  # noqa: ANN401 - as OpenCV's
        inside.set()
        assert go_on.wait(20)
        return encode(*args)

    monkeypatch.setattr(cv2, "imencode", slowly)
    view.picture("door")
    view.saw(seen(), [])
    drawing_one = threading.Thread(target=view.picture, args=("door",))
    drawing_one.start()
    assert inside.wait(20)
    assert view.picture("door") is None  # at once: nobody waits, and above all no camera
    view.saw(seen(1.0), [])
    view.decided(seen(1.0), [], nobody)
    go_on.set()
    drawing_one.join(20)
    assert view.encoded == 1


def test_people_are_drawn_by_what_is_known_of_them(view: LiveView, clock: Clock) -> None:
    def shown(visit_of: Callable[[str, int], Visit | None], messages: list[Message]) -> Picture | None:
        clock.now_s += 1
        one = seen(clock.now_s)
        view.saw(one, [])
        view.decided(one, messages, visit_of)
        return view.picture("door")

    view.picture("door")
    assert has(shown(nobody, []), drawing.GREY)
    assert has(shown(lambda *_: visit("v", phase="confirmed", garments=1), []), drawing.GREEN)
    payload = json.dumps({"visit_id": "other"}).encode()
    assert has(
        shown(
            lambda *_: visit("v", phase="confirmed", garments=1), [Message(topic="a/b/alerts", at_s=0, payload=payload)]
        ),
        drawing.GREEN,
    )
    payload = json.dumps({"visit_id": "v"}).encode()
    assert has(
        shown(
            lambda *_: visit("v", phase="confirmed", garments=1), [Message(topic="a/b/alerts", at_s=0, payload=payload)]
        ),
        drawing.ORANGE,
    )


def test_nothing_of_before_a_change_is_shown_after_it(view: LiveView) -> None:
    view.picture("door")
    view.saw(seen(1.0), [])
    assert view.picture("door") is not None
    view.changed(frozenset({"door"}))
    assert view.picture("door") is None
    view.saw(seen(2.0), [])
    made = view.picture("door")
    assert made is not None
    assert made.captured_at_s == 2.0


def test_a_change_while_a_picture_is_drawn_has_it_thrown_away(view: LiveView, monkeypatch: pytest.MonkeyPatch) -> None:
    encode = cv2.imencode

    def change_meanwhile(*args: Any) -> Any:  # noqa: ANN401 - as OpenCV's
        view.changed(frozenset({"door"}))
        return encode(*args)

    view.picture("door")
    view.saw(seen(1.0), [])
    monkeypatch.setattr(cv2, "imencode", change_meanwhile)
    assert view.picture("door") is None
    assert view.picture("door") is None


@pytest.mark.parametrize(("size", "width"), [((320, 180), 640), ((1280, 720), 1280), ((3840, 2160), 1280)])
def test_pictures_are_as_large_as_they_are_of_use(view: LiveView, size: tuple[int, int], width: int) -> None:
    view.picture("door")
    view.saw(seen(width=size[0], height=size[1]), [])
    made = view.picture("door")
    assert made is not None
    assert made.size == size
    assert decoded(made).shape[1] == width
