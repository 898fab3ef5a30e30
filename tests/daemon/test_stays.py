"""Who is linked, who is kept apart, and who is in doubt."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import fakes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.sections import CameraConfig
from vestibule.stay_sections import StaysConfig
from vestibule.stays import Stays, unlikeness
from vestibule.types import Appearance, Phase, Stay, Visit
from vestibule_models.labels import LABELS, GarmentLabel

CAMERAS = (
    CameraConfig(id="door", source="0"),
    CameraConfig(id="hall", role="floor", source="1"),
    CameraConfig(id="till", role="floor", source="2"),
    CameraConfig(id="side-door", source="3"),
)
UNIT = 0.4
"""The model's distance between two embeddings of one person."""
DAY_S = 86_400.0


def look(person: int, *, turned: float = 0.0, wears: str = "Dress") -> Appearance:
    """Looks of different people are at cosine distance 1; one is `turned` from the plain look by that distance."""
    vector = np.zeros(64, np.float32)
    vector[person] = 1 - turned
    vector[63] = np.sqrt(1 - (1 - turned) ** 2)
    garments = np.full(len(LABELS), 0.1, np.float32)
    garments[LABELS.index(GarmentLabel(wears))] = 0.9
    return Appearance(look=vector, garments=garments)


@dataclass
class Store:
    """Plays visits to the linking."""

    config: StaysConfig = field(default_factory=lambda: StaysConfig(max_walk_s=60))

    def __post_init__(self) -> None:
        self.stays = Stays(cameras=CAMERAS, config=self.config, same_person_distance=UNIT)
        self.count = 0
        self.all: list[Visit] = []

    def visit(self, camera: str, first_s: float, last_s: float, *, entered: bool = True, silent: bool = False) -> Visit:
        self.count += 1
        return replace(
            fakes.visit(f"{camera}-{self.count}", phase="confirmed", silent=silent),
            camera_id=camera,
            first_seen_at_s=first_s,
            last_seen_at_s=last_s,
            entered=entered,
        )

    def place(self, *arrivals: tuple[Visit, Appearance | None]) -> tuple[Stay | None, ...]:
        self.all += [visit for visit, _ in arrivals]
        looks = {visit.visit_id: each for visit, each in arrivals if each is not None}
        return self.stays.place([visit for visit, _ in arrivals], looks, {})

    def comes(self, camera: str, first_s: float, who: Appearance | None, *, last_s: float | None = None) -> Stay:
        """One visit of five seconds that settles; the stay it is given."""
        (stay,) = self.place((self.visit(camera, first_s, first_s + 5 if last_s is None else last_s), who))
        assert stay is not None
        return stay

    def ends(self, visit: Visit) -> Stay | None:
        return self.stays.place([replace(visit, phase="ended")], {}, {})[0]


def ids(stays: Sequence[Stay | None]) -> list[str | None]:
    return [None if stay is None else stay.stay_id for stay in stays]


def test_one_customer_is_one_stay_with_the_path_of_cameras() -> None:
    store = Store()
    assert store.comes("door", 0, look(1)) == Stay(stay_id="door-1", cameras=("door",), in_doubt=False)
    assert store.comes("hall", 20, look(1)).cameras == ("door", "hall")
    assert store.comes("till", 50, look(1)).cameras == ("door", "hall", "till")
    assert store.comes("hall", 80, look(1)) == Stay(
        stay_id="door-1", cameras=("door", "hall", "till", "hall"), in_doubt=False
    )


def test_somebody_else_is_another_stay_and_not_in_doubt() -> None:
    store = Store()
    store.comes("door", 0, look(1))
    assert store.comes("hall", 20, look(2)) == Stay(stay_id="hall-2", cameras=("hall",), in_doubt=False)


def test_other_garments_speak_against_one_customer() -> None:
    plain, dressed_otherwise = look(1), look(1, wears="Jeans")
    assert unlikeness(plain, dressed_otherwise, UNIT) == float("inf")
    for who, is_one in ((plain, True), (dressed_otherwise, False)):
        store = Store()
        store.comes("door", 0, plain)
        assert (store.comes("hall", 20, who).stay_id == "door-1") == is_one


GREEN, DARKER, COOLER, RED = (
    (120, -20, 10, 60, 0, 0),
    (80, -20, 10, 40, 0, 0),
    (120, -22, 4, 60, -2, -6),
    (120, 40, 30, 60, 0, 0),
)
"""Lab of chest and legs."""


def dressed(lab: tuple[int, ...], turned: float = 0.0) -> Appearance:
    return replace(look(1, turned=turned), clothes_lab=np.array(lab, np.float32))


def test_colours_tell_apart_whom_looks_do_not_and_other_light_does_not_matter() -> None:
    shades = [unlikeness(dressed(GREEN), dressed(lab), UNIT) for lab in (GREEN, DARKER, COOLER, RED)]
    assert shades[0] == pytest.approx(0, abs=1e-5)
    assert max(shades[1:3]) < 1
    assert shades[3] == float("inf")


def test_looks_and_colours_cannot_both_be_at_their_limit() -> None:
    near, far = (unlikeness(dressed(GREEN, turned=share * UNIT), dressed(DARKER), UNIT) for share in (0.5, 0.99))
    assert near == pytest.approx(0.5 + unlikeness(dressed(GREEN), dressed(DARKER), UNIT), abs=1e-4)
    assert near < far
    assert unlikeness(dressed(GREEN, turned=0.99 * UNIT), dressed(GREEN), UNIT) == pytest.approx(0.99, abs=1e-4)
    assert unlikeness(dressed(GREEN, turned=0.99 * UNIT), dressed((80, -30, 10, 40, -8, 0)), UNIT) == float("inf")


def test_without_colours_the_looks_must_be_nearer() -> None:
    assert unlikeness(look(1), look(1, turned=0.69 * UNIT), UNIT) < float("inf")
    assert unlikeness(look(1), look(1, turned=0.71 * UNIT), UNIT) == float("inf")
    assert unlikeness(dressed(GREEN), look(1, turned=0.71 * UNIT), UNIT) == float("inf")


@pytest.mark.parametrize(("walk_s", "linked"), [(-0.1, False), (0, True), (60, True), (60.1, False)])
def test_the_walk_must_be_within_the_window(walk_s: float, linked: bool) -> None:
    store = Store()
    store.comes("door", 0, look(1), last_s=5)
    stay = store.comes("hall", 5 + walk_s, look(1))
    assert (stay.stay_id == "door-1", stay.in_doubt) == (linked, False)


def test_a_way_of_its_own_has_a_window_of_its_own_in_its_direction() -> None:
    walks = ({"from_camera": "door", "to_camera": "hall", "min_s": -10, "max_s": 10},)
    store = Store(StaysConfig.model_validate({"max_walk_s": 60, "walks": walks}))
    store.comes("door", 100, look(1), last_s=120)
    assert store.comes("hall", 112, look(1)).stay_id == "door-1"  # in both pictures for a while
    store.comes("door", 200, look(2), last_s=205)
    assert store.comes("hall", 220, look(2)).stay_id != "door-3"
    store.comes("hall", 300, look(3), last_s=305)
    assert store.comes("door", 330, look(3)).stay_id == "hall-5"


def test_the_window_of_a_way_is_learned_from_links() -> None:
    config = StaysConfig(max_walk_s=60, learn_walks=True)
    for walked_s, linked in ((10.0, True), (50.0, False)):
        store = Store(config)
        for number in range(20):
            start_s = 1000.0 * number
            store.comes("door", start_s, look(1))
            assert len(store.comes("hall", start_s + 15, look(1)).cameras) == 2
        store.comes("door", 30_000, look(1))
        assert (len(store.comes("hall", 30_005 + walked_s, look(1)).cameras) == 2) == linked


def test_between_two_entrances_nobody_is_linked_and_at_one_camera_neither() -> None:
    store = Store()
    store.comes("door", 0, look(1))
    assert store.comes("side-door", 20, look(1)) == Stay(stay_id="side-door-2", cameras=("side-door",), in_doubt=False)
    assert store.comes("side-door", 40, look(1)).stay_id == "side-door-3"


def test_who_is_still_in_view_has_not_walked_on() -> None:
    store = Store()
    first = store.visit("door", 0, 5)
    store.place((first, look(1)))
    other = store.visit("hall", 20, 22)
    stays = store.stays.place([other], {other.visit_id: look(1)}, {first.visit_id: 22.0})
    assert ids(stays) == [other.visit_id]


def test_other_cameras_are_linked_from_now_on_and_stays_under_way_go_on() -> None:
    store = Store()
    first = store.visit("door", 0, 5)
    store.place((first, look(1)))
    store.stays.watch(CAMERAS[:1])
    assert store.place((store.visit("hall", 20, 25), look(1))) == (None,)
    assert store.ends(first) == Stay(stay_id="door-1", cameras=("door",), in_doubt=False)
    store.stays.watch(CAMERAS[:2])
    assert store.comes("hall", 30, look(1)).stay_id == "door-1"


def test_ways_between_cameras_that_are_not_watched_do_not_count() -> None:
    walks = ({"from_camera": "door", "to_camera": "side-door", "max_s": 30},)
    store = Store(StaysConfig.model_validate({"walks": walks}))
    store.comes("door", 0, look(1))
    assert store.comes("side-door", 20, look(1)).stay_id == "door-1"  # two entrances, because it was asked for
    store.stays.watch(CAMERAS[:1])
    assert store.place((store.visit("door", 40, 45), look(2))) == (None,)


def test_midnight_is_a_moment_like_any_other() -> None:
    store = Store()
    store.comes("door", DAY_S - 8, look(1))
    assert store.comes("hall", DAY_S + 8, look(1)).stay_id == "door-1"


def test_crossing_on_the_way_changes_nothing() -> None:
    store = Store()
    store.comes("door", 0, look(1))
    store.comes("door", 4, look(2))
    assert [store.comes("hall", 20, look(2)).stay_id, store.comes("hall", 22, look(1)).stay_id] == ["door-2", "door-1"]


def test_two_dressed_alike_stay_apart_and_in_doubt() -> None:
    store = Store()
    store.comes("door", 0, look(1, turned=0.02))
    store.comes("door", 4, look(1, turned=0.03))
    first, second = store.comes("hall", 20, look(1)), store.comes("hall", 22, look(1))
    assert [first, second] == [
        Stay(stay_id="hall-3", cameras=("hall",), in_doubt=True),
        Stay(stay_id="hall-4", cameras=("hall",), in_doubt=True),
    ]


def test_a_second_who_could_as_well_have_been_it_is_in_doubt() -> None:
    store = Store()
    store.comes("door", 0, look(1))
    assert store.comes("hall", 20, look(1)).stay_id == "door-1"
    later = store.comes("hall", 30, look(1))
    assert (later.stay_id, later.in_doubt) == ("hall-3", True)
    clearly_less = store.comes("hall", 32, look(1, turned=0.6 * UNIT))
    assert (clearly_less.stay_id, clearly_less.in_doubt) == ("hall-4", False)


def test_two_who_arrive_together_are_assigned_together() -> None:
    """The nearest look to both is the same; the whole fits best with each going to their own."""
    store = Store()
    store.comes("door", 0, look(1))
    store.comes("door", 2, look(1, turned=0.65 * UNIT))
    pair = [
        (store.visit("hall", 20, 25), look(1, turned=0.3 * UNIT)),
        (store.visit("hall", 20, 25), look(1, turned=0.0)),
    ]
    assert ids(store.place(*pair)) == ["door-2", "door-1"]


def test_two_alike_who_arrive_together_are_both_in_doubt() -> None:
    store = Store()
    store.comes("door", 0, look(1))
    pair = [(store.visit("hall", 20, 25), look(1, turned=t)) for t in (0.01, 0.02)]
    stays = store.place(*pair)
    assert ids(stays) == ["hall-2", "hall-3"]
    assert [stay is not None and stay.in_doubt for stay in stays] == [True, True]


def test_staff_are_nobodys_stay_and_nobody_is_linked_to_them() -> None:
    store = Store()
    assert store.place((store.visit("door", 0, 5, silent=True), look(1))) == (None,)
    assert store.comes("hall", 20, look(1)).stay_id == "hall-2"


def test_who_turns_out_to_be_staff_is_let_go() -> None:
    store = Store()
    first = store.visit("door", 0, 5)
    store.place((first, look(1)))
    assert store.stays.place([replace(first, silent=True)], {}, {}) == (None,)
    assert store.comes("hall", 20, look(1)).stay_id == "hall-2"
    assert store.stays.forget(20, {}) == ("door-1",)


@pytest.mark.parametrize("phase", ["new", "confirmed", "ended"])
def test_passers_by_take_no_part(phase: Phase) -> None:
    store = Store()
    passer_by = replace(store.visit("door", 0, 5, entered=False), phase=phase)
    assert store.place((passer_by, look(1))) == (None,)
    assert store.comes("hall", 20, look(1)).stay_id == "hall-2"


def test_nobody_and_nothing_known_of_somebody() -> None:
    store = Store()
    assert store.place() == ()
    assert store.stays.forget(0, {}) == ()
    store.comes("door", 0, None)
    assert store.comes("hall", 20, None) == Stay(stay_id="hall-2", cameras=("hall",), in_doubt=False)
    assert store.comes("till", 40, look(1)).stay_id == "till-3"


def test_a_visit_that_ends_at_once_is_decided_on_then() -> None:
    store = Store()
    store.comes("door", 0, look(1))
    brief = store.visit("hall", 20, 21)
    visits = [replace(brief, phase=phase, settled=False) for phase in ("new", "ended")]
    stays = store.stays.place(visits, {brief.visit_id: look(1)}, {})
    assert ids(stays) == ["door-1", "door-1"]


def test_the_last_word_on_the_first_visit_has_the_whole_path() -> None:
    store = Store()
    first = store.visit("door", 0, 5)
    store.place((first, look(1)))
    store.comes("hall", 20, look(1))
    assert store.ends(first) == Stay(stay_id="door-1", cameras=("door", "hall"), in_doubt=False)


def test_a_stay_is_forgotten_once_its_visits_have_ended_and_nobody_can_follow() -> None:
    store = Store()
    first, second = store.visit("door", 0, 5), store.visit("hall", 20, 25)
    store.place((first, look(1)))
    store.place((second, look(1)))
    store.ends(first)
    assert store.stays.forget(200, {}) == ()  # the second visit is under way: its last word is to tell the stay
    assert store.ends(second) == Stay(stay_id="door-1", cameras=("door", "hall"), in_doubt=False)
    assert store.stays.forget(200, {}) == ("door-1",)
    assert store.stays.forget(200, {}) == ()


def test_who_stays_in_view_for_long_is_remembered_until_long_after() -> None:
    store = Store()
    waits = store.visit("door", 0, 5)
    store.place((waits, look(1)))
    for now_s in range(0, 600, 10):
        assert store.stays.forget(now_s, {waits.visit_id: float(now_s)}) == ()
    assert store.comes("hall", 620, look(1)).stay_id == waits.visit_id


def test_looks_are_gone_with_the_window_though_the_visit_is_open() -> None:
    store = Store()
    store.comes("door", 0, look(1), last_s=5)
    store.stays.forget(65, {})
    assert store.comes("hall", 64, look(1)).stay_id == "door-1"
    store.comes("door", 100, look(2), last_s=105)
    store.stays.forget(165.1, {})
    assert store.comes("hall", 160, look(2)).stay_id != "door-3"


def test_fifty_people_and_a_long_day_leave_nothing_behind() -> None:
    store = Store()
    linked = 0
    for hour in range(24):
        start_s = 3600.0 * hour
        for person in range(50):
            visit = store.visit("door", start_s + person, start_s + person + 5)
            store.place((visit, look(person)))
            store.ends(visit)
        for person in range(50):
            visit = store.visit("hall", start_s + 56 + person / 50, start_s + 60)
            (stay,) = store.place((visit, look(person)))
            linked += stay is not None and len(stay.cameras) == 2
            store.ends(visit)
        assert len(store.stays.forget(start_s + 1000, {})) == 50
    assert linked == 24 * 50
    assert not store.stays._parts
    assert not store.stays._paths


seen = st.tuples(
    st.sampled_from(["door", "hall", "till"]),
    st.integers(0, 300),
    st.integers(0, 3),
    st.floats(0, 0.3),
)


@given(st.lists(seen, max_size=25))
def test_stays_are_one_to_one_and_within_the_window(people: list[tuple[str, int, int, float]]) -> None:
    store = Store()
    placed: list[tuple[Visit, Stay]] = []
    for camera, first_s, person, turned in sorted(people):
        visit = store.visit(camera, first_s, first_s + 5)
        (stay,) = store.place((visit, look(person, turned=turned)))
        assert stay is not None
        placed.append((visit, stay))
    by_stay: dict[str, list[Visit]] = {}
    for visit, stay in placed:
        before = by_stay.setdefault(stay.stay_id, [])
        assert stay.cameras == (*(each.camera_id for each in before), visit.camera_id)
        assert not (before and stay.in_doubt)
        if before:
            assert before[-1].camera_id != visit.camera_id
            assert 0 <= visit.first_seen_at_s - before[-1].last_seen_at_s <= 60
        before.append(visit)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 0.3)), max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_equal_times_does_not_matter(people: list[tuple[int, float]], order: random.Random) -> None:
    def outcome(shuffled: bool) -> dict[int, Stay | None]:
        store = Store()
        for number in range(4):
            store.comes("door", float(number), look(number, turned=0.05))
        arrivals = [(store.visit("hall", 30, 35), look(p, turned=t)) for p, t in people]
        numbered = list(enumerate(arrivals))
        if shuffled:
            order.shuffle(numbered)
        stays = store.place(*(arrival for _, arrival in numbered))
        return {number: stay for (number, _), stay in zip(numbered, stays, strict=True)}

    assert outcome(shuffled=False) == outcome(shuffled=True)
