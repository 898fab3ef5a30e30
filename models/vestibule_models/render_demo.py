"""The demo clip: forty seconds at the entrance of a clothes shop."""

from vestibule_models.render_camera import Camera
from vestibule_models.render_paths import Stop
from vestibule_models.render_scene import Person, Scene
from vestibule_models.render_sprites import Tint

# The street is behind the wall at y = 7; people come along the pavement from the left and turn in at the door.
PAVEMENT = (Stop(x_m=-4.6, y_m=8.5), Stop(x_m=-1.5, y_m=8.3))
AWAY = (Stop(x_m=-1.75, y_m=6.9), Stop(x_m=-1.8, y_m=7.9), Stop(x_m=-4.6, y_m=9.0))

DEMO = Scene(
    name="demo",
    set="shop",
    seed=11,
    fps=12,
    seconds=41,
    room_samples=240,
    camera=Camera(at_m=(0.2, -0.4, 2.6), pitch_deg=20, yaw_deg=0, lens_mm=25, size_px=(640, 360)),
    line_m=((-2.0, 7.0), (-0.2, 7.0)),
    inside_m=(-1.0, 5.0),
    staff_m=(
        (-3.9, 3.4, 0.0),
        (-2.55, 3.9, 0.0),
        (-2.55, 5.9, 0.0),
        (-2.55, 5.9, 0.9),
        (-3.9, 5.9, 0.9),
        (-3.9, 3.4, 0.9),
    ),
    people=(
        Person(
            name="dress",
            avatar="Black_F_3_Casual",
            role="customer",
            start_s=-1.8,
            tints=(Tint(part="whole", rgb=(0.62, 0.1, 0.2), strength=0.9, gain=1.5),),
            stops=(
                *PAVEMENT,
                Stop(x_m=-1.0, y_m=6.6),
                Stop(x_m=-0.5, y_m=4.9, pause_s=1.4, face_deg=-65),
                Stop(x_m=1.5, y_m=4.6, pause_s=2.0, face_deg=-25),
                Stop(x_m=1.1, y_m=2.6),
                Stop(x_m=0.9, y_m=0.4),
            ),
        ),
        Person(
            name="jeans",
            avatar="Asian_M_2_Casual",
            role="customer",
            start_s=1.0,
            stops=(
                *PAVEMENT,
                Stop(x_m=-1.2, y_m=6.5),
                Stop(x_m=-1.45, y_m=4.6, pause_s=3.0, face_deg=175),
                Stop(x_m=1.5, y_m=3.7, pause_s=1.6, face_deg=25),
                Stop(x_m=0.9, y_m=2.4),
                Stop(x_m=0.7, y_m=0.4),
            ),
        ),
        Person(
            name="purple",
            avatar="Hispanic_F_3_Casual",
            role="customer",
            start_s=4.2,
            stops=(
                *PAVEMENT,
                Stop(x_m=-0.9, y_m=6.4),
                Stop(x_m=-0.1, y_m=5.1),
                Stop(x_m=0.9, y_m=4.8, pause_s=0.6, face_deg=60),
                Stop(x_m=-1.6, y_m=4.35, pause_s=1.2, face_deg=-80),
                Stop(x_m=-0.9, y_m=2.4),
                Stop(x_m=-0.6, y_m=0.4),
            ),
        ),
        Person(
            name="blazer",
            avatar="Asian_F_1_Busi",
            role="customer",
            start_s=10.2,
            stops=(
                *PAVEMENT,
                Stop(x_m=-1.0, y_m=6.5),
                Stop(x_m=-0.3, y_m=4.6, pause_s=1.6, face_deg=-70),
                Stop(x_m=1.5, y_m=3.5, pause_s=1.2, face_deg=40),
                Stop(x_m=0.9, y_m=2.2),
                Stop(x_m=0.7, y_m=0.4),
            ),
        ),
        Person(
            name="returner",
            avatar="MENA_F_1_Busi",
            role="customer",
            start_s=13.0,
            stops=(
                *PAVEMENT,
                Stop(x_m=-1.2, y_m=6.5),
                Stop(x_m=-0.9, y_m=4.7, pause_s=1.3, face_deg=-85),
                *AWAY,
            ),
        ),
        Person(
            name="returner",
            avatar="MENA_F_1_Busi",
            role="customer",
            start_s=29.2,
            stops=(
                *PAVEMENT,
                Stop(x_m=-1.2, y_m=6.5),
                Stop(x_m=-0.2, y_m=4.4, pause_s=1.2, face_deg=-75),
                Stop(x_m=-0.9, y_m=2.4),
                Stop(x_m=-0.8, y_m=0.4),
            ),
        ),
        Person(
            name="shorts",
            avatar="Hispanic_M_2_Casual",
            role="customer",
            start_s=24.6,
            stops=(
                Stop(x_m=-4.6, y_m=8.4),
                Stop(x_m=-0.8, y_m=8.2),
                Stop(x_m=-0.5, y_m=6.4),
                Stop(x_m=0.4, y_m=4.4, pause_s=1.6, face_deg=-80),
                Stop(x_m=1.5, y_m=3.4, pause_s=1.5, face_deg=30),
                Stop(x_m=1.0, y_m=0.4),
            ),
        ),
        Person(
            name="suit",
            avatar="White_M_1_Busi",
            role="customer",
            start_s=32.1,
            stops=(
                *PAVEMENT,
                Stop(x_m=-1.1, y_m=6.5),
                Stop(x_m=-1.5, y_m=4.3, pause_s=2.4, face_deg=-120),
                Stop(x_m=-1.2, y_m=2.4),
                Stop(x_m=-1.1, y_m=0.4),
            ),
        ),
        Person(
            name="assistant",
            avatar="Black_F_2_Busi",
            role="staff",
            start_s=0.0,
            stops=(
                Stop(x_m=-3.05, y_m=4.6, pause_s=11.0, face_deg=-25),
                Stop(x_m=-3.05, y_m=5.3, pause_s=7.0, face_deg=165),
                Stop(x_m=-3.05, y_m=4.5, pause_s=40.0, face_deg=-15),
            ),
            speed_m_s=0.7,
        ),
        Person(
            name="mannequin",
            avatar="AIAN_F_1_Busi",
            role="mannequin",
            start_s=0.0,
            stops=(Stop(x_m=2.7, y_m=6.0, face_deg=-110),),
            floor_m=0.22,
        ),
    ),
)
