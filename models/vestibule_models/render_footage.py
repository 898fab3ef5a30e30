"""Short clips for the tests: each shows one thing that is hard for whoever counts and follows people."""

from vestibule_models.render_camera import Camera
from vestibule_models.render_demo import DEMO
from vestibule_models.render_paths import Stop
from vestibule_models.render_scene import Person, Scene

MANNEQUIN = next(p for p in DEMO.people if p.role == "mannequin")
IN = (Stop(x_m=-3.4, y_m=8.5), Stop(x_m=-1.4, y_m=8.3))
"""From the street to the door, shorter than in the demo."""


def _customer(name: str, avatar: str, start_s: float, *stops: Stop) -> Person:
    return Person(name=name, avatar=avatar, role="customer", start_s=start_s, stops=stops)


LINE = Scene(
    name="line",
    set="shop",
    seed=DEMO.seed,
    fps=10,
    seconds=10,
    camera=DEMO.camera,
    line_m=((-1.9, 5.0), (2.0, 5.0)),
    inside_m=(0.0, 3.5),
    people_samples=10,
    crf=26,
    people=(
        _customer(
            "along",
            "White_F_2_Casual",
            -2.0,
            *IN,
            Stop(x_m=-1.1, y_m=6.4),
            Stop(x_m=-1.5, y_m=5.12),
            Stop(x_m=1.7, y_m=5.1, pause_s=9.0, face_deg=90),
        ),
        _customer(
            "turns",
            "MENA_M_3_Casual",
            0.0,
            *IN,
            Stop(x_m=-1.1, y_m=6.5),
            Stop(x_m=-0.4, y_m=5.03, pause_s=0.8, face_deg=-60),
            Stop(x_m=-1.2, y_m=6.7),
            Stop(x_m=-1.6, y_m=8.6),
        ),
        _customer(
            "crosses",
            "Asian_F_3_Casual",
            2.6,
            *IN,
            Stop(x_m=-1.0, y_m=6.5),
            Stop(x_m=-1.1, y_m=5.0),
            Stop(x_m=-1.1, y_m=0.4),
        ),
        MANNEQUIN,
    ),
)

ALIKE = Scene(
    name="alike",
    set="shop",
    seed=DEMO.seed,
    fps=10,
    seconds=8,
    camera=DEMO.camera,
    line_m=DEMO.line_m,
    inside_m=DEMO.inside_m,
    people_samples=10,
    crf=26,
    people=(
        _customer(
            "first",
            "AIAN_M_1_Busi",
            -2.0,
            *IN,
            Stop(x_m=-1.1, y_m=6.4),
            Stop(x_m=1.2, y_m=4.4),
            Stop(x_m=0.786, y_m=0.4),
        ),
        _customer(
            "second",
            "Asian_M_1_Busi",
            -0.6,
            *IN,
            Stop(x_m=-1.0, y_m=6.4),
            Stop(x_m=-0.8, y_m=4.2),
            Stop(x_m=-0.237, y_m=0.4),
        ),
        MANNEQUIN,
    ),
)

CROWD = Scene(
    name="crowd",
    set="shop",
    seed=DEMO.seed,
    fps=10,
    seconds=8,
    camera=DEMO.camera,
    line_m=DEMO.line_m,
    inside_m=DEMO.inside_m,
    people_samples=10,
    crf=29,
    people=(
        _customer(
            "a", "White_M_2_Casual", 0.0, Stop(x_m=1.7, y_m=3.6, pause_s=3.0, face_deg=20), Stop(x_m=1.1, y_m=0.4)
        ),
        _customer(
            "b",
            "Black_F_2_Casual",
            0.0,
            Stop(x_m=0.9, y_m=5.0, pause_s=5.0, face_deg=80),
            Stop(x_m=-1.2, y_m=4.2, pause_s=9.0),
        ),
        _customer("c", "Asian_M_3_Casual", 0.0, Stop(x_m=-1.4, y_m=4.7, pause_s=9.0, face_deg=175)),
        _customer("d", "NHPI_M_1_Busi", -1.0, Stop(x_m=-1.1, y_m=7.6), Stop(x_m=-0.7, y_m=5.6), Stop(x_m=0.3, y_m=0.4)),
        _customer("e", "MENA_F_2_Casual", 0.0, Stop(x_m=0.3, y_m=4.0, pause_s=9.0, face_deg=-50)),
        _customer("f", "White_F_1_Casual", 0.2, *IN, Stop(x_m=-1.2, y_m=6.5), Stop(x_m=-0.6, y_m=3.4, pause_s=9.0)),
        _customer("g", "Hispanic_M_3_Casual", 1.6, *IN, Stop(x_m=-0.9, y_m=6.5), Stop(x_m=0.6, y_m=3.2, pause_s=9.0)),
        _customer("h", "AIAN_F_1_Casual", 0.0, Stop(x_m=-0.1, y_m=5.5, pause_s=9.0, face_deg=-100)),
        _customer(
            "i",
            "Black_M_1_Casual",
            0.0,
            Stop(x_m=1.3, y_m=2.6),
            Stop(x_m=-1.3, y_m=3.3),
            Stop(x_m=-1.1, y_m=7.4),
            Stop(x_m=-3.6, y_m=8.9),
        ),
        MANNEQUIN,
    ),
)

HIDDEN = Scene(
    name="hidden",
    set="aisle",
    seed=5,
    fps=10,
    seconds=9,
    camera=Camera(at_m=(0.0, -0.4, 2.6), pitch_deg=19, yaw_deg=0, lens_mm=25, size_px=(640, 360)),
    line_m=((-1.9, 2.9), (-1.9, 6.0)),
    inside_m=(0.0, 4.5),
    people_samples=10,
    room_samples=64,
    smooth=3,
    crf=26,
    people=(
        _customer("hides", "Hispanic_F_1_Casual", 0.0, Stop(x_m=-4.3, y_m=4.9), Stop(x_m=4.9, y_m=4.9)),
        _customer(
            "passes",
            "White_M_3_Casual",
            3.4,
            Stop(x_m=3.6, y_m=3.3),
            Stop(x_m=0.8, y_m=3.0),
            Stop(x_m=-3.2, y_m=3.2),
        ),
    ),
)

STEEP = Scene(
    name="steep",
    set="shop",
    seed=DEMO.seed,
    fps=10,
    seconds=8,
    camera=Camera(at_m=(-1.0, 4.1, 3.3), pitch_deg=60, yaw_deg=0, lens_mm=19, size_px=(640, 360)),
    line_m=DEMO.line_m,
    inside_m=DEMO.inside_m,
    people_samples=10,
    room_samples=64,
    smooth=3,
    crf=26,
    people=(
        _customer("one", "Hispanic_F_2_Casual", -1.6, *IN, Stop(x_m=-1.1, y_m=6.4), Stop(x_m=-0.6, y_m=2.0)),
        _customer("two", "Black_M_2_Busi", 0.8, *IN, Stop(x_m=-1.2, y_m=6.6), Stop(x_m=-1.5, y_m=2.0)),
        _customer(
            "leaves", "Asian_F_2_Casual", 0.5, Stop(x_m=0.6, y_m=2.2), Stop(x_m=-0.5, y_m=6.3), Stop(x_m=-0.7, y_m=9.0)
        ),
    ),
)

FOOTAGE = (LINE, ALIKE, CROWD, HIDDEN, STEEP)
