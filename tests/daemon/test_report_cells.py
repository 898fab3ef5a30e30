"""What may be shown of counts whose total is known, checked against everything that an attacker could think of."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.report.cells import WITHHELD, band, cell, cells

COUNTS = st.lists(st.integers(0, 12), min_size=1, max_size=6)
MIN_CELL = st.integers(2, 5)


def shown(*counts: int, min_cell: int = 5) -> tuple[int | str, ...]:
    return cells(counts, min_cell)[0]


def test_small_counts_are_not_shown_and_zero_is_small() -> None:
    assert [cell(n, 5) for n in (0, 4, 5)] == ["<5", "<5", 5]
    assert shown(20, 2, 3, 0) == (20, "<5", "<5", "<5")
    assert [cell(n, 1) for n in (0, 1)] == [0, 1]
    assert shown(3, 0, 1, min_cell=1) == (3, 0, 1)


def test_a_single_small_count_takes_a_second_one_with_it() -> None:
    assert shown(20, 3, 7, 9) == (20, "<5", WITHHELD, 9)
    assert shown(20, 3, 0, 0, 7) == (20, "<5", "<5", "<5", WITHHELD)  # they add up to 3: it would be a small cell


def test_nobody_at_night_gives_nobody_away() -> None:
    assert shown(0, 0, 20, 30) == ("<5", "<5", 20, 30)


def test_what_can_be_one_way_only_takes_the_total_with_it() -> None:
    assert cells((4, 4), 5) == (("<5", "<5"), False)
    assert cells((4, 3), 5) == (("<5", "<5"), True)
    assert cells((2, 1), 5) == (("<5", "<5"), True)  # the total is not shown either
    assert cells((4, 4, 9), 5) == (("<5", "<5", WITHHELD), True)


@given(COUNTS, MIN_CELL)
def test_no_hidden_count_follows_from_the_total(counts: list[int], min_cell: int) -> None:
    """Every list that fits what is shown and the total: no hidden count but 0 is the same in all of them."""
    told, total_is_safe = cells(counts, min_cell)
    total = sum(counts) if total_is_safe and sum(counts) >= min_cell else None
    hidden = [n for n, each in enumerate(told) if not isinstance(each, int)]
    assert all(counts[n] == each for n, each in enumerate(told) if isinstance(each, int))
    assert all(isinstance(told[n], str) for n, count in enumerate(counts) if count < min_cell)
    small = [n for n in hidden if told[n] != WITHHELD]
    withheld = len(hidden) - len(small)
    left = None if total is None else total - sum(each for each in told if isinstance(each, int))
    possible: dict[int, set[int]] = {n: set() for n in small}
    for guess in product(range(min_cell), repeat=len(small)):
        rest = 0 if left is None else left - sum(guess)
        if left is not None and (rest < withheld * min_cell or (withheld == 0 and rest)):
            continue
        for n, value in zip(small, guess, strict=True):
            possible[n].add(value)
    for n in small:
        assert counts[n] in possible[n]
        assert counts[n] == 0 or len(possible[n]) > 1


@given(COUNTS, MIN_CELL)
def test_the_hidden_ones_together_are_no_small_cell(counts: list[int], min_cell: int) -> None:
    told, total_is_safe = cells(counts, min_cell)
    together = sum(count for count, each in zip(counts, told, strict=True) if not isinstance(each, int))
    assert together == 0 or together >= min_cell or sum(counts) < min_cell
    assert total_is_safe or not any(isinstance(each, int) for each in told)


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "<5"), (4, "<5"), (5, "5-9"), (9, "5-9"), (10, "10-19"), (79, "40-79"), (80, "80-159")]
)
def test_bands_double(count: int, expected: str) -> None:
    assert band(count, 5) == expected


def test_without_a_threshold_bands_are_numbers() -> None:
    assert [band(n, 1) for n in (0, 3)] == ["0", "3"]
