import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.clock import SteadyClock

UTC_S = 1_700_000_000.0


class Machine:
    """A machine whose clock can be set."""

    def __init__(self) -> None:
        self.uptime_s, self.error_s = 100.0, 0.0

    def clock(self) -> SteadyClock:
        return SteadyClock(self.wall, lambda: self.uptime_s)

    def wall(self) -> float:
        return UTC_S + self.uptime_s - 100.0 + self.error_s


def run(machine: Machine, clock: Callable[[], float], seconds: float, step_s: float = 0.25) -> list[float]:
    times = []
    for _ in range(round(seconds / step_s)):
        machine.uptime_s += step_s
        times.append(clock())
    return times


def test_it_starts_at_the_systems_time_and_keeps_its_pace() -> None:
    machine = Machine()
    clock = machine.clock()
    assert clock() == UTC_S
    assert run(machine, clock, 3600)[-1] == pytest.approx(UTC_S + 3600, abs=1e-6)


@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0])
def test_a_clock_set_by_an_hour_moves_no_duration_by_more_than_a_twentieth(jump_s: float) -> None:
    machine = Machine()
    clock = machine.clock()
    before_s = clock()
    machine.error_s = jump_s
    times = [before_s, *run(machine, clock, 60)]
    steps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(steps) >= 0.95 * 0.25 - 1e-6
    assert max(steps) <= 1.05 * 0.25 + 1e-6


@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0])
def test_it_agrees_with_the_system_again_within_a_day(jump_s: float) -> None:
    machine = Machine()
    clock = machine.clock()
    machine.error_s = jump_s
    assert run(machine, clock, 86_400, 10)[-1] == pytest.approx(machine.wall(), abs=1e-3)


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(-1e6, 1e6)), max_size=50))
def test_it_never_goes_back(moves: list[tuple[float, float]]) -> None:
    machine = Machine()
    clock = machine.clock()
    last_s = clock()
    for passed_s, error_s in moves:
        machine.uptime_s += passed_s
        machine.error_s = error_s
        now_s = clock()
        assert now_s >= last_s
        last_s = now_s
