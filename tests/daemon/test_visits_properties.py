"""Whatever the tracker, the classifier and the network do, visits keep their promises."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from walking import THRESHOLDS, Person, tracks_of

from vestibule.sections import CameraConfig, EntranceConfig, VisitsConfig, ZoneConfig
from vestibule.types import Visit
from vestibule.visits import VisitKeeper

ENTRANCE = EntranceConfig(line=((0.1, 0.6), (0.9, 0.6)), inside=(0.5, 0.9))
ZONES = (
    ZoneConfig(name="counter", kind="staff", polygon=((0.8, 0.5), (1, 0.5), (1, 1), (0.8, 1))),
    ZoneConfig(name="window", kind="ignore", polygon=((0, 0), (0.1, 0), (0.1, 1), (0, 1))),
    ZoneConfig(name="hall", kind="area", polygon=((0.3, 0.3), (0.7, 0.3), (0.7, 1))),
)
CAMERAS = [
    CameraConfig(id="door", source="0"),
    CameraConfig(id="door", source="0", entrance=ENTRANCE),
    CameraConfig(id="door", source="0", entrance=ENTRANCE, zones=ZONES),
]
places = st.tuples(st.floats(0, 1), st.floats(0.05, 1.2), st.floats(0, 0.6))
looks = st.integers(0, 3).map(Person)
frames = st.tuples(st.just("see"), st.floats(0, 70), st.dictionaries(st.integers(1, 5), places, max_size=4))
late_readings = st.tuples(st.just("read"), st.lists(st.tuples(st.integers(1, 6), looks, st.floats(0, 5)), max_size=4))
scripts = st.lists(st.one_of(frames, frames, late_readings), max_size=40)


def play(camera: CameraConfig, script: Sequence[tuple], *, step_s: float | None = None) -> list[Visit]:  # type: ignore[type-arg]
    config = VisitsConfig(reentry_window_s=20, inside_timeout_s=100, confirm_deadline_s=3)
    keeper = VisitKeeper(camera=camera, config=config, thresholds=THRESHOLDS, same_person_distance=0.3)
    now_s = 0.0
    said: list[Visit] = []
    for kind, *what in script:
        if kind == "see":
            now_s += what[0] if step_s is None else step_s
            said += keeper.see(tracks_of(what[1], now_s))
        else:
            said += keeper.read([person.reading(track_id, now_s - late_s) for track_id, person, late_s in what[0]])
        assert len(keeper.settled_tracks) <= 5
    return said + list(keeper.finish())


def assert_promises(said: Sequence[Visit]) -> None:
    by_id = defaultdict(list)
    for visit in said:
        by_id[visit.visit_id].append(visit)
    for visits in by_id.values():
        phases = [visit.phase for visit in visits]
        assert phases[0] == "new"
        assert phases[-1] == "ended"
        assert set(phases[1:-1]) <= {"confirmed"}
        for before, after in pairwise(visits):
            assert after.first_seen_at_s == before.first_seen_at_s
            assert after.last_seen_at_s >= before.last_seen_at_s >= before.first_seen_at_s
            assert after.entered >= before.entered
            assert after.silent >= before.silent
            assert after.zones[: len(before.zones)] == before.zones
            if before.phase == "confirmed":
                assert (after.garments, after.settled, after.readings) == (
                    before.garments,
                    before.settled,
                    before.readings,
                )
            if after.phase == before.phase == "confirmed":
                assert (after.entered, after.zones, after.silent) != (before.entered, before.zones, before.silent)
        assert all(visit.readings >= 3 for visit in visits if visit.settled)


@given(st.sampled_from(CAMERAS), scripts)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_every_visit_is_new_once_and_ends_once_whatever_happens(camera: CameraConfig, script: list[tuple]) -> None:  # type: ignore[type-arg]
    assert_promises(play(camera, script))


@given(st.sampled_from(CAMERAS), scripts)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_and_also_at_ten_frames_a_second(camera: CameraConfig, script: list[tuple]) -> None:  # type: ignore[type-arg]
    assert_promises(play(camera, [part for item in script for part in [item] * 5], step_s=0.1))


spots = st.sampled_from([(0.2, 0.7, 0.3), (0.22, 0.7, 0.3), (0.5, 0.55, 0.3), (0.5, 0.8, 0.4), (0.6, 1.1, 0.6)])
standing = st.tuples(st.just("see"), st.just(0), st.dictionaries(st.integers(1, 4), spots, max_size=4))


@given(
    st.sampled_from(CAMERAS), st.lists(st.tuples(st.one_of(standing, late_readings), st.integers(1, 45)), max_size=8)
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_and_also_where_people_stand_and_tracks_are_mixed_up(
    camera: CameraConfig,
    script: list[tuple[tuple, int]],  # type: ignore[type-arg]
) -> None:
    assert_promises(play(camera, [item for item, times in script for _ in range(times)], step_s=0.1))


walk = st.lists(
    st.tuples(st.sampled_from([0.45, 0.5, 0.55, 0.65, 0.7, 0.8]), st.integers(10, 25)), min_size=1, max_size=6
)


@given(walk, st.lists(st.integers(0, 150), max_size=4), st.integers(0, 10))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_one_person_who_comes_and_goes_is_one_visit_however_the_track_breaks(
    stops: list[tuple[float, int]], breaks: list[int], hidden_frames: int
) -> None:
    way = []
    for (here, _), (there, steps) in pairwise([(0.3, 0), *stops]):
        way += [(0.5, here + (there - here) * min(i / steps, 1), 0.4) for i in range(1, steps + 3)]
    script: list[tuple] = []  # type: ignore[type-arg]
    for number, place in enumerate(way):
        track_id = 1 + sum(1 for at in breaks if number >= at)
        is_hidden = any(at <= number < at + hidden_frames for at in breaks)
        script.append(("see", 0, {} if is_hidden else {track_id: place}))
        if number % 4 == 2 and not is_hidden:
            script.append(("read", [(track_id, Person(0), 0.0)]))
    said = play(CAMERAS[1], script, step_s=0.1)
    assert_promises(said)
    assert len({visit.visit_id for visit in said}) <= 1
    if said and not breaks:
        clear = [y for _, y, _ in way if abs(y - 0.6) > 0.0201]
        enters = any(before < 0.6 < after for before, after in pairwise(clear))
        assert said[-1].entered == enters
