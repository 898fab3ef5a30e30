import math

import pytest

from vestibule_models.render_gait import HEEL_OFF_M, LIFT_M, STANCE, Legs, bend, foot_target, hip_drop, walking

LEGS = Legs(thigh_m=0.44, shank_m=0.44, hip_m=0.97)
STRIDE_M = 1.2


def test_standing_foot_stays_where_it_is_while_the_body_walks_over_it() -> None:
    places = []
    for k in range(50):
        phase = k / 50 * STANCE
        ahead_m, _, _ = foot_target(phase, STRIDE_M)
        places.append(phase * STRIDE_M + ahead_m)  # where the body is, plus the foot ahead of it
    assert max(places) - min(places) < 1e-9


def test_foot_lifts_only_off_the_floor_and_lands_where_it_set_out_from() -> None:
    heights = [foot_target(k / 200, STRIDE_M)[1] for k in range(200)]
    assert min(heights) == 0
    assert HEEL_OFF_M <= max(heights) < HEEL_OFF_M + LIFT_M
    swinging = [foot_target(STANCE + k / 100 * (1 - STANCE), STRIDE_M)[1] for k in range(1, 100)]
    assert min(swinging) > 0
    assert foot_target(0.0, STRIDE_M) == foot_target(3.0, STRIDE_M)
    before, after = foot_target(1 - 1e-9, STRIDE_M), foot_target(0.0, STRIDE_M)
    assert before == pytest.approx(after, abs=1e-6)


@pytest.mark.parametrize(("ahead_m", "down_m"), [(0.0, 0.86), (0.3, 0.8), (-0.35, 0.75), (0.1, 0.6)])
def test_bent_leg_reaches_the_ankle(ahead_m: float, down_m: float) -> None:
    thigh_deg, knee_deg = bend(LEGS, ahead_m, down_m)
    thigh, shank = math.radians(thigh_deg), math.radians(thigh_deg - knee_deg)
    assert knee_deg >= 0  # knees bend one way only
    assert LEGS.thigh_m * math.sin(thigh) + LEGS.shank_m * math.sin(shank) == pytest.approx(ahead_m, abs=1e-9)
    assert LEGS.thigh_m * math.cos(thigh) + LEGS.shank_m * math.cos(shank) == pytest.approx(down_m, abs=1e-9)


def test_target_out_of_reach_straightens_the_leg() -> None:
    _, knee_deg = bend(LEGS, 0.0, 2.0)
    assert 0 <= knee_deg < 5


def test_hips_bob_twice_a_stride_and_never_rise_above_standing() -> None:
    drops = [hip_drop(LEGS, k / 100, STRIDE_M) for k in range(100)]
    assert drops[:50] == pytest.approx(drops[50:])
    assert 0 < min(drops) < max(drops) < 0.12


def test_arms_hang_and_swing_against_the_legs() -> None:
    turns = walking(LEGS, 0.0, STRIDE_M).turns  # the left heel touches down, ahead
    thigh_left, thigh_right = turns["LeftUpLeg"][0][1], turns["RightUpLeg"][0][1]
    arm_left, arm_right = turns["LeftArm"][1][1], turns["RightArm"][1][1]
    assert thigh_left < thigh_right  # rotations about X: negative is forwards
    assert arm_left > arm_right
    assert abs(turns["LeftArm"][0][1]) > 70


def test_standing_person_looks_about_and_a_walker_does_not() -> None:
    still = {walking(LEGS, 0.3, 0.0, idle_s=t).turns["Neck"] for t in (0.0, 1.0, 2.0)}
    walker = {walking(LEGS, 0.3, STRIDE_M, idle_s=t).turns["Neck"] for t in (0.0, 1.0, 2.0)}
    assert len(still) == 3
    assert len(walker) == 1
