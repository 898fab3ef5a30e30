"""Which pictures of which avatars to take for training: a plan of cut-out people as a ceiling camera sees them."""

import csv
import random
from dataclasses import asdict, dataclass
from pathlib import Path

DEMO_CAST = (
    "Black_F_3_Casual",
    "Asian_F_1_Busi",
    "White_M_1_Busi",
    "Asian_M_2_Casual",
    "Hispanic_M_2_Casual",
    "MENA_F_1_Busi",
    "Hispanic_F_3_Casual",
    "Black_F_2_Busi",
    "AIAN_F_1_Busi",
)
"""People of the demo clip; no garment classifier may train on them."""

RARE = ("Dress", "Jumpsuit", "Shorts", "Sweater")
"""Garments that few avatars wear: they get more views and come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wardrobe:
    """One avatar and its clothes.

    Attributes:
        name: file name without its ending.
        garments: seen.
        unknown: in doubt; count neither way.
    """

    name: str
    garments: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def split(self) -> str:
        """`demo` for the demo clip's cast, else `train`."""
        return "demo" if self.name in DEMO_CAST else "train"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tint:
    """New colour for a part of the clothes.

    Attributes:
        part: whole, upper, lower or suit (the dark cloth only, so that shirt and tie stay).
        rgb: the colour, 0 to 1, as it appears on the screen.
        strength: 0 keeps the hue, 1 replaces it.
        gain: brightness factor.
    """

    part: str
    rgb: tuple[float, float, float]
    strength: float
    gain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One picture of one avatar. Angles in degrees; heading 0 looks at the camera; light 0 to 1 dim to bright."""

    file: str
    avatar: str
    split: str
    pitch_deg: float
    heading_deg: float
    distance_m: float
    phase: float
    stride_m: float
    sky: float
    lamp_w: float
    lamp_azimuth_deg: float
    warmth: float
    tints: tuple[Tint, ...]


def read_wardrobes(avatars: Path) -> list[Wardrobe]:
    """Read `garments.csv` of the avatars' folder (columns file, seen, unknown; words separated by spaces)."""
    with (avatars / "garments.csv").open(encoding="utf-8", newline="") as rows:
        return [
            Wardrobe(
                name=Path(row["file"]).stem,
                garments=tuple(row["seen"].split()),
                unknown=tuple(row["unknown"].split()),
            )
            for row in csv.DictReader(rows)
        ]


def tints(wardrobe: Wardrobe, chance: random.Random) -> tuple[Tint, ...]:
    """Draw new colours that leave the garments what they are: denim stays blue or grey, a suit stays plain."""

    def colour(saturation: float) -> tuple[float, float, float]:
        grey = chance.uniform(0.25, 0.95)
        drawn = [grey * (1 - saturation * chance.random()) for _ in range(3)]
        return drawn[0], drawn[1], drawn[2]

    def tint(part: str, saturation: float, strength: float, low: float, high: float) -> Tint:
        rgb = colour(saturation)
        return Tint(part=part, rgb=rgb, strength=strength, gain=chance.uniform(low, high))

    worn = {*wardrobe.garments, *wardrobe.unknown}
    if wardrobe.name.endswith("Busi"):
        return (tint("suit", 0.5, 0.9, 0.8, 4.0),)
    if worn & {"Dress", "Jumpsuit"}:
        return (tint("whole", 0.75, 0.9, 0.6, 2.2),)
    upper = tint("upper", 0.75, chance.choice((0.5, 0.9)), 0.5, 1.3)
    if "Jeans" in worn:
        return upper, tint("lower", 0.2, 0.0, 0.5, 1.3)
    return upper, tint("lower", 0.7, 0.8, 0.5, 1.6)


def views(wardrobe: Wardrobe, count: int, seed: int) -> list[View]:
    """Draw the views of one avatar, the same for the same seed; every second one keeps the avatar's own colours."""
    chance = random.Random(f"{seed}/{wardrobe.name}")  # noqa: S311 - a plan that can be drawn again, no secret
    drawn = []
    for k in range(count):
        pitch_deg = chance.triangular(5, 65, 20) if chance.random() < 0.25 else chance.uniform(8, 40)  # noqa: PLR2004
        standing = chance.random() < 0.25  # noqa: PLR2004
        drawn.append(
            View(
                file=f"{wardrobe.name}/{k:02d}.png",
                avatar=wardrobe.name,
                split=wardrobe.split,
                pitch_deg=round(pitch_deg, 1),
                heading_deg=round((k * 137.5 + chance.uniform(-20, 20)) % 360 - 180, 1),
                distance_m=round(chance.uniform(1.5, 5.0), 2),
                phase=round(chance.random(), 3),
                stride_m=0.0 if standing else round(chance.uniform(0.7, 1.35), 2),
                sky=round(chance.uniform(0.25, 1.1), 2),
                lamp_w=round(chance.uniform(0, 160), 1),
                lamp_azimuth_deg=round(chance.uniform(-180, 180), 1),
                warmth=round(chance.uniform(-0.12, 0.22), 3),
                tints=tints(wardrobe, chance) if k % 2 else (),
            )
        )
    return drawn


def plan(wardrobes: list[Wardrobe], seed: int) -> list[View]:
    """All views: rare garments first and more often, the demo's cast last."""

    def rank(wardrobe: Wardrobe) -> tuple[bool, bool, str]:
        return wardrobe.split == "demo", not set(wardrobe.garments) & set(RARE), wardrobe.name

    planned: list[View] = []
    for wardrobe in sorted(wardrobes, key=rank):
        garments = set(wardrobe.garments)
        count = 72 if garments & {"Dress", "Jumpsuit", "Sweater"} else 44 if "Shorts" in garments else 28
        planned += views(wardrobe, count, seed)
    return planned


def as_job(avatars: Path, out: Path, planned: list[View]) -> dict[str, object]:
    """The plan as the JSON object that the script inside Blender reads."""
    return {
        "mode": "sprites",
        "avatars": str(avatars.resolve()),
        "out": str(out.resolve()),
        "views": [asdict(v) for v in planned],
    }
