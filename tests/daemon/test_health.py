import json

import pytest
from fakes import Clock
from jsonschema import Draft202012Validator
from structlog.testing import capture_logs

from vestibule import log
from vestibule.health import Health, MainStreams, cameras_message, summary
from vestibule.payloads import json_schema
from vestibule.sections import LogConfig


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(["door", "floor"], clock, clock)


def states(health: Health) -> list[str]:
    return [camera.state for camera in health.cameras()]


def test_a_camera_is_online_once_it_gives_a_picture(health: Health) -> None:
    assert states(health) == ["connecting", "connecting"]
    health.connected("door")
    assert states(health) == ["connecting", "connecting"]
    health.picture("door")
    assert states(health) == ["online", "connecting"]
    assert health.cameras()[0].connects == 1


def test_a_state_holds_since_it_changed(health: Health, clock: Clock) -> None:
    health.camera("door", "offline", "refused")
    clock.now_s += 5
    health.camera("door", "offline", "no answer")
    door = health.cameras()[0]
    assert (door.state, door.reason, door.since_s) == ("offline", "no answer", clock.now_s - 5)
    clock.now_s += 5
    health.picture("door")
    door = health.cameras()[0]
    assert (door.state, door.reason, door.since_s) == ("online", "", clock.now_s)


def test_only_changes_are_logged(health: Health, caplog: pytest.LogCaptureFixture) -> None:
    log.configure(LogConfig())
    for _ in range(3):
        health.camera("door", "offline", "refused")
    for _ in range(3):
        health.picture("door")
    assert len(caplog.records) == 2


def test_pictures_of_one_colour_make_a_camera_blank_until_there_is_something_on_them(health: Health) -> None:
    health.picture("door")
    for _ in range(9):
        health.frame("door", "blank")
    assert states(health)[0] == "online"
    health.frame("door", "blank")
    assert states(health)[0] == "blank"
    health.picture("door")
    assert states(health)[0] == "online"
    health.frame("door", "blank")
    assert states(health)[0] == "online"


def test_a_worker_that_stands_still_is_named(health: Health, clock: Clock) -> None:
    health.beat("look")
    health.beat("classify")
    clock.now_s += 20
    health.beat("look")
    assert health.stuck() == []
    clock.now_s += 20
    assert health.stuck() == ["classify"]


def test_the_summary_names_who_is_not_well(health: Health) -> None:
    health.picture("door")
    health.camera("floor", "unauthorised", "wrong user name or password")
    assert summary(health.cameras()) == "1 of 2 cameras online; floor unauthorised"


def test_the_message_has_states_and_counts(health: Health, clock: Clock) -> None:
    health.picture("door")
    health.frame("door", "captured")
    health.frame("door", "too_old")
    health.count("batches_dropped")
    message = cameras_message(health, site="store", prefix="vestibule", at_s=clock())
    payload = json.loads(message.payload)
    Draft202012Validator(json_schema("cameras")).validate(payload)
    assert message.topic == "vestibule/store/cameras"
    assert payload["cameras"]["door"]["frames"] == {"captured": 1, "too_old": 1}
    assert payload["cameras"]["floor"]["state"] == "connecting"
    assert payload["counts"] == {"batches_dropped": 1, "frames_captured": 1, "frames_too_old": 1}


def test_a_change_of_the_cameras_keeps_states_and_counts_of_those_that_stay(health: Health, clock: Clock) -> None:
    for name in ("door", "floor"):
        health.connected(name)
        health.picture(name)
        health.frame(name, "captured")
    clock.now_s += 5
    health.change(["floor", "attic", "door"], ["door", "attic"])
    floor, attic, door = health.cameras()
    assert (floor.state, floor.since_s) == ("online", clock.now_s - 5)
    assert (door.state, door.since_s, door.frames, door.connects) == ("connecting", clock.now_s, {"captured": 1}, 1)
    assert (attic.state, attic.frames) == ("connecting", {})


def test_the_last_frames_of_a_camera_that_is_gone_are_nobodys(health: Health) -> None:
    health.change(["floor"], ["door"])
    health.frame("door", "analysed")
    health.picture("door")
    health.connected("door")
    health.camera("door", "offline", "hung up")
    assert [camera.camera_id for camera in health.cameras()] == ["floor"]


def test_a_lost_main_stream_is_told_and_the_camera_stays_online(health: Health, clock: Clock) -> None:
    mains = MainStreams(health)
    health.picture("door")
    health.picture("floor")
    with capture_logs() as logged:
        for _ in range(2):
            mains.camera("door", "frozen", "the camera sent nothing for 5 s")
            health.picture("door")
            mains.frame("door", "captured")
    door = json.loads(cameras_message(health, site="store", prefix="v", at_s=clock()).payload)["cameras"]["door"]
    assert (door["state"], door["reason"], door["frames"]) == ("online", "the camera sent nothing for 5 s", {})
    assert summary(health.cameras()) == "2 of 2 cameras online; door without its main stream"
    assert [entry["event"] for entry in logged] == ["people are cut out of the sub-stream"]
    mains.connected("door")
    assert health.cameras()[0].main_problem == ""
    assert summary(health.cameras()) == "2 of 2 cameras online"
    assert health.cameras()[0].connects == 0  # of the camera itself


def test_a_main_stream_s_fault_is_forgotten_with_its_camera(health: Health) -> None:
    health.main_stream("door", "gone")
    health.main_stream("nobody", "gone")
    health.change(["door", "floor"], ["door"])
    assert [camera.main_problem for camera in health.cameras()] == ["", ""]


def test_the_camera_s_own_reason_comes_first(health: Health, clock: Clock) -> None:
    health.main_stream("door", "main gone")
    health.camera("door", "offline", "all gone")
    payload = json.loads(cameras_message(health, site="store", prefix="v", at_s=clock()).payload)
    assert payload["cameras"]["door"]["reason"] == "all gone"
