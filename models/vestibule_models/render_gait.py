"""A walk for the rendered people: feet that stay where they touch the floor, arms that swing against the legs.

The stance foot moves back under the hip at exactly the walking speed and the thigh and knee follow by the
law of cosines (two-bone inverse kinematics), so that a walking person does not slide over the floor.
Pure Python without numpy: it runs inside Blender and in the tests alike.
"""

import math
from dataclasses import dataclass
from typing import Literal

Axis = Literal["X", "Y", "Z"]
Turns = dict[str, tuple[tuple[Axis, float], ...]]
"""Bone name -> rotations in degrees about the body's own axes (X its left, Y its back, Z up), in order."""

STANCE = 0.62
"""Share of the cycle that a foot is on the floor (normal human walking: about 60 %)."""
HEEL_OFF_M = 0.13
"""How high the ankle is when the toes leave the floor."""
LIFT_M = 0.06
"""What the swing adds to that at its middle, when half of it has sunk again."""
ARMS_DOWN_DEG = 81.0
"""From the T pose to arms that hang at the sides without cutting into the hips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Legs:
    """A person's legs.

    Attributes:
        thigh_m: hip to knee.
        shank_m: knee to ankle.
        hip_m: height of the hip joint above the floor when standing upright.
    """

    thigh_m: float
    shank_m: float
    hip_m: float

    @property
    def ankle_m(self) -> float:
        """Height of the ankle above the floor when standing."""
        return self.hip_m - self.thigh_m - self.shank_m


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """One moment of the gait.

    Attributes:
        turns: rotation of every bone that moves.
        drop_m: how far the body is lower than when standing upright.
    """

    turns: Turns
    drop_m: float


def foot_target(phase: float, stride_m: float) -> tuple[float, float, float]:
    """Where one ankle is in its cycle.

    Args:
        phase: 0 to 1; 0 is the moment the heel touches the floor.
        stride_m: distance walked in one whole cycle.

    Returns:
        Metres ahead of the hip, metres above its standing height, and pitch of the foot in degrees (toes up).
    """
    phase %= 1.0
    reach_m = STANCE * stride_m / 2
    if phase < STANCE:
        f = phase / STANCE
        heel_off = max(0.0, (f - 0.65) / 0.35)
        return reach_m * (1 - 2 * f), HEEL_OFF_M * heel_off**2, 14 * max(0.0, 1 - f / 0.15) - 30 * heel_off**2
    f = (phase - STANCE) / (1 - STANCE)
    ahead_m = -reach_m * math.cos(math.pi * f)
    up_m = HEEL_OFF_M * (1 - f) ** 2 + LIFT_M * math.sin(math.pi * f) ** 2
    return ahead_m, up_m, -30 * (1 - f) ** 2 + 14 * f**2


def bend(legs: Legs, ahead_m: float, down_m: float) -> tuple[float, float]:
    """Solve one leg for its ankle.

    Args:
        legs: lengths of the bones.
        ahead_m: ankle ahead of the hip joint.
        down_m: ankle below the hip joint.

    Returns:
        Degrees of the thigh (forwards positive) and of the knee (bent positive).
    """
    reach = min(math.hypot(ahead_m, down_m), 0.9995 * (legs.thigh_m + legs.shank_m))
    knee = (legs.thigh_m**2 + legs.shank_m**2 - reach**2) / (2 * legs.thigh_m * legs.shank_m)
    lean = (legs.thigh_m**2 + reach**2 - legs.shank_m**2) / (2 * legs.thigh_m * reach)
    thigh = math.atan2(ahead_m, down_m) + math.acos(max(-1.0, min(1.0, lean)))
    return math.degrees(thigh), math.degrees(math.pi - math.acos(max(-1.0, min(1.0, knee))))


def hip_drop(legs: Legs, phase: float, stride_m: float) -> float:
    """How much the hips are lower than when standing, so that both feet reach where they must, in metres.

    Least when one leg passes under the body, most when both feet are down: the bobbing of a real walk.
    """
    length_m = legs.thigh_m + legs.shank_m
    drop_m = 0.0
    for offset in (0.0, 0.5):
        ahead_m, up_m, _ = foot_target(phase + offset, stride_m)
        lifted_m = up_m * min(1.0, stride_m / 1.2)
        drop_m = max(drop_m, length_m - lifted_m - math.sqrt((0.995 * length_m) ** 2 - ahead_m**2))
    return drop_m


def walking(legs: Legs, phase: float, stride_m: float, idle_s: float = 0.0) -> Pose:
    """Pose at `phase` (cycles; the left heel touches down at whole numbers) of a walk with this stride.

    A stride of 0 is standing; small strides give small steps, so starting and stopping need no blending.
    Whoever stands looks about and shifts a little with `idle_s`, the time.
    """
    drop_m = hip_drop(legs, phase, stride_m)
    vigour = min(1.0, stride_m / 1.2)
    turns: Turns = {}
    for side, sign, offset in (("Left", 1.0, 0.0), ("Right", -1.0, 0.5)):
        ahead_m, up_m, toes = foot_target(phase + offset, stride_m)
        lifted_m = up_m * vigour
        thigh, knee = bend(legs, ahead_m, legs.thigh_m + legs.shank_m - drop_m - lifted_m)
        swing = math.cos(2 * math.pi * (phase + offset))  # arms swing against the leg of the same side
        turns[f"{side}UpLeg"] = (("X", -thigh),)
        turns[f"{side}Leg"] = (("X", knee),)
        turns[f"{side}Foot"] = (("X", thigh - knee - toes * vigour),)
        turns[f"{side}Arm"] = (("Y", ARMS_DOWN_DEG * sign), ("X", 4 + 20 * vigour * swing))
        turns[f"{side}ForeArm"] = (("Z", -(12 + 8 * vigour * (1 - swing)) * sign),)
    twist = 5 * vigour * math.cos(2 * math.pi * phase)
    calm = 1 - vigour
    turns["Spine1"] = (("X", 2.0 + calm * math.sin(1.7 * idle_s)), ("Z", calm * 3 * math.sin(0.6 * idle_s) - twist))
    look = calm * (14 * math.sin(0.45 * idle_s) + 6 * math.sin(1.3 * idle_s))
    turns["Neck"] = (("Z", twist + look), ("X", calm * 4))  # the head looks ahead while the shoulders turn
    return Pose(turns=turns, drop_m=drop_m)
