from pydantic import SecretStr

from vestibule.changeover import Changeover, changeover
from vestibule.config import Settings

Table = dict[str, object]
DOOR: Table = {"id": "door", "source": "rtsp://192.0.2.1/a"}
FLOOR: Table = {"id": "floor", "source": "rtsp://192.0.2.2/a"}
ZONE = {"name": "counter", "polygon": [[0, 0], [1, 0], [1, 1]]}


def of(*cameras: Table, **sections: object) -> Settings:
    return Settings.model_validate({"cameras": list(cameras), **sections})


def between(before: Settings, after: Settings) -> Changeover | None:
    return changeover(before, after, {}, {})


def test_nothing_changed() -> None:
    assert between(of(DOOR, FLOOR), of(DOOR, FLOOR)) == Changeover(anew=frozenset(), reopened=frozenset())


def test_cameras_that_are_new_gone_or_other_begin_anew_and_no_others() -> None:
    before = of(DOOR, FLOOR)
    attic: Table = {"id": "attic", "source": "0"}
    for after, anew in (
        (of(DOOR, FLOOR, attic), {"attic"}),
        (of(FLOOR), {"door"}),
        (of(FLOOR, DOOR), set[str]()),
        (of(DOOR, {**FLOOR, "zones": [ZONE]}), {"floor"}),
        (of({**DOOR, "detect_source": "rtsp://192.0.2.1/b"}, FLOOR), {"door"}),
        (of({**FLOOR, "id": "door"}, attic), {"door", "floor", "attic"}),
    ):
        assert between(before, after) == Changeover(anew=frozenset(anew), reopened=frozenset())


def test_rules_logging_and_metrics_concern_no_camera() -> None:
    rule = {"name": "coats", "any_of": ["Jacket"]}
    after = of(DOOR, alerts=[rule], log={"level": "debug"}, metrics={"port": 0}, config_version=0)
    assert between(of(DOOR), after) == Changeover(anew=frozenset(), reopened=frozenset())


def test_any_other_section_has_everything_begin_anew() -> None:
    changed: dict[str, Table] = {
        "site": {"time_zone": "Europe/Madrid"},
        "capture": {"analysed_fps": 5},
        "detail": {"linger_s": 5},
        "detector": {"threads": 2},
        "visits": {"min_readings": 4},
        "mqtt": {"port": 1884},
        "jsonl": {"path": "/tmp/x"},  # noqa: S108 - nobody writes there
    }
    for name, section in changed.items():
        assert between(of(DOOR), of(DOOR, **{name: section})) is None


def test_a_camera_with_another_password_is_opened_again() -> None:
    settings = of(DOOR, FLOOR)
    old = {"door": SecretStr("a"), "floor": None}
    assert changeover(settings, settings, old, {"door": SecretStr("a"), "floor": None}) == Changeover(
        anew=frozenset(), reopened=frozenset()
    )
    assert changeover(settings, settings, old, {"door": SecretStr("b"), "floor": None}) == Changeover(
        anew=frozenset(), reopened=frozenset({"door"})
    )
