"""Pairs of clips of one shop: the same people at the entrance and, after a walk, before a second camera.

Some are dressed alike, some overtake others on the way, some never come to the second camera, and some come to it by
another door. What is chosen on the first pair is measured on the second, in which other people walk at other times.
"""

from dataclasses import dataclass

from vestibule_models.render_camera import Camera
from vestibule_models.render_demo import DEMO
from vestibule_models.render_paths import Stop
from vestibule_models.render_scene import Person, Scene
from vestibule_models.render_sprites import Tint

_IN = (Stop(x_m=-1.4, y_m=8.0), Stop(x_m=-1.0, y_m=6.5))
_FROM_ENTRANCE = {
    "straight": (Stop(x_m=-0.9, y_m=4.4), Stop(x_m=-0.6, y_m=0.4)),
    "right": (Stop(x_m=0.9, y_m=4.3), Stop(x_m=1.0, y_m=0.4)),
    "looks": (Stop(x_m=0.2, y_m=4.6, pause_s=0.8, face_deg=20), Stop(x_m=0.6, y_m=0.4)),
}
_OVER_FLOOR = {
    "across": (Stop(x_m=-4.3, y_m=3.2), Stop(x_m=-0.6, y_m=4.3), Stop(x_m=3.4, y_m=4.8)),
    "towards": (Stop(x_m=-4.3, y_m=5.2), Stop(x_m=-0.8, y_m=4.4), Stop(x_m=1.0, y_m=0.9)),
    "browses": (
        Stop(x_m=-4.3, y_m=3.6),
        Stop(x_m=-1.0, y_m=5.2, pause_s=1.2, face_deg=90),
        Stop(x_m=-3.6, y_m=1.8),
        Stop(x_m=-4.6, y_m=1.4),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """One person's way past the two cameras.

    Attributes:
        name: in both truth files.
        avatar: file name without its ending.
        enters_s: begins to walk at the entrance; None: comes by another door.
        floor_s: begins to walk before the second camera; None: never comes there.
        entrance: key of the way at the entrance.
        floor: key of the way before the second camera.
        tints: new colours of the clothes.
    """

    name: str
    avatar: str
    enters_s: float | None
    floor_s: float | None
    entrance: str = "straight"
    floor: str = "across"
    tints: tuple[Tint, ...] = ()

    def at_entrance(self) -> tuple[Person, ...]:
        """The person before the first camera."""
        return self._person(self.enters_s, (*_IN, *_FROM_ENTRANCE[self.entrance]))

    def on_floor(self) -> tuple[Person, ...]:
        """The person before the second camera."""
        return self._person(self.floor_s, _OVER_FLOOR[self.floor])

    def _person(self, start_s: float | None, stops: tuple[Stop, ...]) -> tuple[Person, ...]:
        if start_s is None:
            return ()
        person = Person(
            name=self.name,
            avatar=self.avatar,
            role="customer",
            start_s=start_s,
            stops=stops,
            speed_m_s=1.25,
            tints=self.tints,
        )
        return (person,)


def pair(name: str, visitors: tuple[Visitor, ...], *, entrance_s: float, floor_s: float) -> tuple[Scene, Scene]:
    """The clips `NAME-entrance` and `NAME-floor`, of these lengths, whose clocks begin together."""
    entrance = Scene(
        name=f"{name}-entrance",
        set="shop",
        seed=DEMO.seed,
        fps=8,
        seconds=entrance_s,
        camera=DEMO.camera,
        line_m=((-2.0, 6.0), (0.6, 6.0)),  # a stride inside the door, as whoever configures it is told
        inside_m=(0.0, 4.0),
        people=tuple(person for visitor in visitors for person in visitor.at_entrance()),
        people_samples=8,
        room_samples=64,
        smooth=3,
        crf=28,
    )
    floor = Scene(
        name=f"{name}-floor",
        set="salesroom",
        seed=3,
        fps=8,
        seconds=floor_s,
        camera=Camera(at_m=(1.8, 0.6, 2.7), pitch_deg=21, yaw_deg=25, lens_mm=25, size_px=(640, 360)),
        line_m=((-1.5, 3.0), (-1.5, 5.0)),  # every truth file has one; this one means nothing
        inside_m=(1.0, 4.0),
        people=tuple(person for visitor in visitors for person in visitor.on_floor()),
        people_samples=8,
        room_samples=64,
        smooth=3,
        exposure=-0.1,
        crf=28,
    )
    return entrance, floor


_GREEN = (Tint(part="upper", rgb=(0.16, 0.4, 0.26), strength=0.9, gain=1.1),)

FIRST = pair(
    "first",
    (
        Visitor(name="suit-1", avatar="AIAN_M_1_Busi", enters_s=0.0, floor_s=16.0, floor="towards"),
        Visitor(name="suit-2", avatar="Asian_M_1_Busi", enters_s=2.6, floor_s=13.0, entrance="right"),
        Visitor(name="tee-1", avatar="MENA_M_3_Casual", enters_s=6.0, floor_s=21.0, entrance="looks", floor="browses"),
        Visitor(name="tee-2", avatar="Hispanic_M_3_Casual", enters_s=9.0, floor_s=25.5, floor="towards"),
        Visitor(name="blouse", avatar="White_F_2_Casual", enters_s=12.0, floor_s=24.0, entrance="right"),
        Visitor(name="tee-3", avatar="Asian_F_3_Casual", enters_s=15.0, floor_s=33.0, floor="browses"),
        Visitor(name="shorts", avatar="Black_M_2_Casual", enters_s=18.0, floor_s=None, entrance="looks"),
        Visitor(name="blazer-1", avatar="White_F_1_Busi", enters_s=21.5, floor_s=38.0, floor="towards"),
        Visitor(name="blazer-2", avatar="Black_F_1_Busi", enters_s=24.5, floor_s=None, entrance="right"),
        Visitor(name="sweater", avatar="Asian_F_2_Casual", enters_s=27.5, floor_s=45.0),
        Visitor(name="green", avatar="White_M_1_Casual", enters_s=30.5, floor_s=42.0, tints=_GREEN, floor="towards"),
        Visitor(name="shirt", avatar="Asian_M_3_Casual", enters_s=None, floor_s=29.5),
        Visitor(name="suit-3", avatar="NHPI_M_1_Busi", enters_s=None, floor_s=49.0, floor="browses"),
    ),
    entrance_s=38,
    floor_s=57,
)

SECOND = pair(
    "second",
    (
        Visitor(name="dress", avatar="Black_F_3_Casual", enters_s=0.0, floor_s=12.0, floor="towards"),
        Visitor(name="blazer-1", avatar="Asian_F_1_Busi", enters_s=2.8, floor_s=19.0, entrance="right"),
        Visitor(name="blazer-2", avatar="MENA_F_1_Busi", enters_s=5.6, floor_s=16.0, floor="browses"),
        Visitor(name="tee-1", avatar="Asian_M_2_Casual", enters_s=9.0, floor_s=23.0, entrance="looks"),
        Visitor(name="shorts", avatar="Hispanic_M_2_Casual", enters_s=12.0, floor_s=None),
        Visitor(name="blazer-3", avatar="Black_F_2_Busi", enters_s=15.0, floor_s=30.0, entrance="right"),
        Visitor(name="purple", avatar="Hispanic_F_3_Casual", enters_s=18.0, floor_s=27.0, floor="browses"),
        Visitor(name="suit-1", avatar="White_M_1_Busi", enters_s=21.0, floor_s=35.0, floor="towards"),
        Visitor(name="suit-2", avatar="White_M_2_Busi", enters_s=24.0, floor_s=None, entrance="right"),
        Visitor(name="overalls", avatar="Hispanic_M_1_Util", enters_s=27.0, floor_s=41.0, entrance="looks"),
        Visitor(name="green", avatar="MENA_M_2_Casual", enters_s=30.5, floor_s=45.5, tints=_GREEN, floor="browses"),
        Visitor(name="blazer-4", avatar="AIAN_F_1_Busi", enters_s=None, floor_s=38.5, floor="browses"),
        Visitor(name="jeans", avatar="Hispanic_M_1_Casual", enters_s=None, floor_s=49.0, floor="towards"),
    ),
    entrance_s=38,
    floor_s=57,
)

PAIRS = (*FIRST, *SECOND)
