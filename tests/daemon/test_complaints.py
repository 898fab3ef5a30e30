from fakes import Clock

from vestibule.complaints import Complaints


def test_the_first_of_each_kind_and_then_one_a_minute() -> None:
    clock = Clock(0.0)
    complaints, made = Complaints(clock), list[tuple[str, int]]()
    for second in range(130):
        clock.now_s = float(second)
        made += [("refused", second)] * complaints.due("refused")
        made += [("ignored", second)] * (second >= 45 and complaints.due("ignored"))
    assert made == [("refused", 0), ("ignored", 45), ("refused", 60), ("ignored", 105), ("refused", 120)]


def test_who_was_silent_for_long_is_not_owed_more() -> None:
    clock = Clock()
    complaints = Complaints(clock)
    assert complaints.due("refused")
    clock.now_s += 600
    assert [complaints.due("refused") for _ in range(3)] == [True, False, False]
