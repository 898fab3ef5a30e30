"""The clothes shop of the rendered clips, built inside Blender from boxes, cloth and light."""

import math
import random
from collections.abc import Sequence

import bpy

from vestibule_models.render_materials import carpet, fabric, paint, paving, wood
from vestibule_models.render_types import Bpy

Vec3 = tuple[float, float, float]
CLOTH = (
    (0.55, 0.07, 0.08), (0.04, 0.08, 0.22), (0.75, 0.72, 0.66), (0.10, 0.22, 0.16), (0.68, 0.42, 0.12),
    (0.02, 0.02, 0.025), (0.30, 0.45, 0.62), (0.62, 0.35, 0.38), (0.35, 0.33, 0.31), (0.85, 0.83, 0.80),
)  # fmt: skip
SHIRT = (
    (-0.09, 0.0), (-0.22, -0.06), (-0.30, -0.28), (-0.22, -0.31), (-0.19, -0.2), (-0.2, -0.68), (0.2, -0.68),
    (0.19, -0.2), (0.22, -0.31), (0.30, -0.28), (0.22, -0.06), (0.09, 0.0),
)  # fmt: skip
DRESS = (
    (-0.09, 0.0), (-0.2, -0.05), (-0.18, -0.25), (-0.15, -0.42), (-0.28, -1.02), (0.28, -1.02), (0.15, -0.42),
    (0.18, -0.25), (0.2, -0.05), (0.09, 0.0),
)  # fmt: skip
TROUSERS = ((-0.2, 0.0), (-0.22, -0.95), (-0.03, -0.95), (0.0, -0.3), (0.03, -0.95), (0.22, -0.95), (0.2, 0.0))
FLOOR_NAME = "floor"
"""Objects whose name starts so catch the people's shadows."""


def box(at: Vec3, size: Vec3, material: Bpy, *, name: str = "box", bevel_m: float = 0.0, turn_deg: float = 0.0) -> Bpy:
    """A box with its centre at `at`, turned about the vertical."""
    bpy.ops.mesh.primitive_cube_add(size=1, location=at, rotation=(0, 0, math.radians(turn_deg)))
    made = bpy.context.object
    made.name, made.scale = name, size
    bpy.ops.object.transform_apply(location=False, rotation=False, scale=True)
    made.data.materials.append(material)
    if bevel_m:
        rounding = made.modifiers.new("bevel", "BEVEL")
        rounding.width, rounding.segments = bevel_m, 3
        bpy.ops.object.shade_smooth()
    return made


def rod(start: Vec3, end: Vec3, radius_m: float, material: Bpy) -> None:
    """A round bar between two points."""
    delta = [b - a for a, b in zip(start, end, strict=True)]
    length = math.hypot(*delta)
    middle = [(a + b) / 2 for a, b in zip(start, end, strict=True)]
    bpy.ops.mesh.primitive_cylinder_add(radius=radius_m, depth=length, location=middle, vertices=16)
    tilt, azimuth = math.acos(delta[2] / length), math.atan2(delta[1], delta[0])
    bpy.context.object.rotation_euler = (0, tilt, azimuth)
    bpy.context.object.data.materials.append(material)
    bpy.ops.object.shade_smooth()


def text(words: str, at: Vec3, size_m: float, material: Bpy, *, facing_deg: float = 0.0, flat: bool = False) -> None:
    """Letters on a wall (facing -Y, turned by `facing_deg`) or, `flat`, on the floor."""
    data = bpy.data.curves.new(words, "FONT")
    data.body, data.size, data.extrude = words, size_m, 0.006
    data.align_x = "CENTER"
    made = bpy.data.objects.new(words, data)
    made.location = at
    made.rotation_euler = (0 if flat else math.pi / 2, 0, math.radians(facing_deg))
    made.data.materials.append(material)
    bpy.context.scene.collection.objects.link(made)


def garment(outline: Sequence[tuple[float, float]], at: Vec3, turn_deg: float, colour: Vec3) -> None:
    """A garment hanging from `at`: its outline filled out like cloth on a hanger."""
    mesh = bpy.data.meshes.new("garment")
    count, thick = len(outline), 0.022
    front = [(x * 0.97, -thick, z) for x, z in outline]
    back = [(x * 0.97, thick, z) for x, z in outline]
    rim = [(x, 0.0, z) for x, z in outline]
    faces = [tuple(range(count)), tuple(2 * count - 1 - k for k in range(count))]
    for k in range(count):
        n = (k + 1) % count
        faces += [(k, 2 * count + k, 2 * count + n, n), (2 * count + k, count + k, count + n, 2 * count + n)]
    mesh.from_pydata(front + back + rim, [], faces)
    made = bpy.data.objects.new("garment", mesh)
    made.location, made.rotation_euler = at, (0, 0, math.radians(turn_deg))
    mesh.materials.append(fabric(colour))
    bpy.context.scene.collection.objects.link(made)


def rack(start: Vec3, end: Vec3, chance: random.Random, *, low: bool = False) -> None:
    """A chrome rail on legs between two points, full of clothes sorted by colour."""
    chrome = paint((0.6, 0.6, 0.62), roughness=0.25, metallic=1.0)
    rod(start, end, 0.016, chrome)
    along_deg = math.degrees(math.atan2(end[1] - start[1], end[0] - start[0]))
    for x, y, z in (start, end):
        rod((x, y, 0.03), (x, y, z), 0.016, chrome)
        box((x, y, 0.02), (0.05, 0.5, 0.04), chrome, turn_deg=along_deg)
    length = math.dist(start, end)
    count = int(length / 0.085)
    palette = chance.sample(CLOTH, 5)
    kinds = (SHIRT, TROUSERS) if low else (SHIRT, SHIRT, DRESS)
    kind = chance.choice(kinds)
    for k in range(count):
        if k % 6 == 0:
            kind = chance.choice(kinds)
        share = (k + 0.6) / count
        x, y, z = (a + share * (b - a) for a, b in zip(start, end, strict=True))
        base = palette[min(len(palette) - 1, int(share * len(palette)))]
        shade = chance.uniform(0.75, 1.25)
        colour = (min(0.9, base[0] * shade), min(0.9, base[1] * shade), min(0.9, base[2] * shade))
        garment(kind, (x, y, z - 0.1), along_deg + 90 + chance.uniform(-9, 9), colour)
        rod((x, y, z - 0.1), (x, y, z + 0.02), 0.004, chrome)


def stacks(
    at: Vec3, columns: int, rows: int, chance: random.Random, *, gap_m: float = 0.42, turn_deg: float = 0.0
) -> None:
    """Folded clothes in piles, in a grid whose middle is `at` on a table top or shelf."""
    turn = math.radians(turn_deg)
    for i in range(columns):
        for j in range(rows):
            u, v = (i - (columns - 1) / 2) * gap_m, (j - (rows - 1) / 2) * 0.36
            x, y = at[0] + u * math.cos(turn) - v * math.sin(turn), at[1] + u * math.sin(turn) + v * math.cos(turn)
            base, z = chance.choice(CLOTH), at[2]
            for _ in range(chance.randint(2, 5)):
                shade, thick = chance.uniform(0.8, 1.2), chance.uniform(0.028, 0.045)
                colour = (min(0.9, base[0] * shade), min(0.9, base[1] * shade), min(0.9, base[2] * shade))
                size = (0.31 + chance.uniform(-0.015, 0.015), 0.26 + chance.uniform(-0.015, 0.015), thick)
                box(
                    (x, y, z + thick / 2),
                    size,
                    fabric(colour),
                    bevel_m=0.016,
                    turn_deg=turn_deg + chance.uniform(-4, 4),
                )
                z += thick


def table(at: tuple[float, float], size: tuple[float, float], height_m: float, chance: random.Random) -> None:
    """A wooden table with folded clothes."""
    oak, steel = wood((0.36, 0.2, 0.1)), paint((0.05, 0.05, 0.055), roughness=0.4, metallic=0.6)
    box((*at, height_m), (*size, 0.05), oak, bevel_m=0.008)
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = at[0] + sx * (size[0] / 2 - 0.06), at[1] + sy * (size[1] / 2 - 0.06)
            box((x, y, height_m / 2), (0.05, 0.05, height_m), steel)
    box((*at, 0.18), (size[0] - 0.1, size[1] - 0.1, 0.03), oak)
    stacks((*at, height_m + 0.025), max(1, int(size[0] / 0.42)), max(1, int(size[1] / 0.36)), chance)
    stacks((*at, 0.195), max(1, int(size[0] / 0.46)), 1, chance)


def counter(x0: float, x1: float, y0: float, y1: float) -> None:
    """The till's counter: panelled front, oak top, screen, card reader, bags."""
    white, oak = paint((0.72, 0.70, 0.66), roughness=0.5), wood((0.4, 0.23, 0.11))
    dark = paint((0.02, 0.02, 0.025), roughness=0.3)
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    box((*middle, 0.44), (x1 - x0, y1 - y0, 0.88), white, bevel_m=0.01)
    for k in range(int((y1 - y0) / 0.12)):  # slats on the customers' side
        box((x1 + 0.008, y0 + 0.08 + 0.12 * k, 0.46), (0.02, 0.07, 0.78), oak)
    box((*middle, 0.9), (x1 - x0 + 0.1, y1 - y0 + 0.1, 0.045), oak, bevel_m=0.006)
    screen = (middle[0] - 0.05, y1 - 0.35)
    box((*screen, 0.96), (0.16, 0.2, 0.02), dark)
    box((*screen, 1.03), (0.03, 0.03, 0.14), dark)
    box((screen[0] - 0.02, screen[1], 1.16), (0.03, 0.36, 0.24), dark, bevel_m=0.006, turn_deg=12)
    box((middle[0] + 0.14, y1 - 0.75, 0.95), (0.09, 0.16, 0.05), dark, bevel_m=0.01, turn_deg=-10)
    box((middle[0], y0 + 0.3, 1.06), (0.16, 0.3, 0.28), paint((0.5, 0.32, 0.16), roughness=0.8), turn_deg=8)


def wall_shelves(x_m: float, y0: float, y1: float, chance: random.Random) -> None:
    """Shelves with folded clothes along a side wall at `x_m`, facing +X."""
    oak = wood((0.36, 0.2, 0.1))
    for z in (0.45, 0.85, 1.25, 1.65, 2.05):
        box((x_m + 0.19, (y0 + y1) / 2, z), (0.36, y1 - y0, 0.035), oak)
        stacks((x_m + 0.2, (y0 + y1) / 2, z + 0.018), int((y1 - y0) / 0.4), 1, chance, gap_m=0.4, turn_deg=90)
    for y in (y0, y1):
        box((x_m + 0.19, y, 1.05), (0.36, 0.04, 2.1), oak)


def lamp(at: Vec3, size: tuple[float, float], power_w: float, colour: Vec3 = (1.0, 0.93, 0.84)) -> None:
    """A panel under the ceiling that shines down."""
    light = bpy.data.lights.new("panel", "AREA")
    light.shape, light.size, light.size_y = "RECTANGLE", *size
    light.energy, light.color = power_w, colour
    made = bpy.data.objects.new("panel", light)
    made.location = at
    bpy.context.scene.collection.objects.link(made)


def sky(strength: float, colour: Vec3 = (0.92, 0.96, 1.0)) -> None:
    """Even light from everywhere; there is no ceiling, so it softens the shadows indoors too."""
    background = bpy.context.scene.world.node_tree.nodes["Background"].inputs
    background[0].default_value, background[1].default_value = (*colour, 1), strength


def street(back_y: float) -> None:
    """What one sees through the door and the window: pavement, kerb, road, and the house across."""
    box((0, back_y + 2.0, -0.06), (24, 3.8, 0.1), paving(), name=FLOOR_NAME)
    box((0, back_y + 3.98, -0.05), (24, 0.16, 0.12), paint((0.5, 0.5, 0.48)), name=FLOOR_NAME)
    box((0, back_y + 7.0, -0.12), (24, 6, 0.1), paint((0.09, 0.09, 0.1), roughness=0.9), name=FLOOR_NAME)
    box((0, back_y + 10.2, 2.0), (24, 0.3, 6), paint((0.45, 0.25, 0.18), roughness=0.9))
    for k in range(-4, 5):
        box((2.4 * k + 0.5, back_y + 10.0, 1.3), (1.5, 0.1, 1.7), paint((0.05, 0.07, 0.09), roughness=0.1))
        box((2.4 * k + 0.5, back_y + 9.98, 0.42), (1.7, 0.2, 0.1), paint((0.7, 0.68, 0.62)))
    sun = bpy.data.objects.new("daylight", bpy.data.lights.new("daylight", "AREA"))
    sun.data.energy, sun.data.size, sun.data.color = 2600, 4.0, (1.0, 0.97, 0.92)
    sun.location, sun.rotation_euler = (-2.5, back_y + 4.2, 5.2), (math.radians(-25), math.radians(-18), 0)
    bpy.context.scene.collection.objects.link(sun)


def shell(door: tuple[float, float], back_y: float) -> None:
    """Floor, walls, the doorway from x = door[0] to door[1], and the shop window right of it."""
    wall, accent = paint((0.78, 0.75, 0.70), roughness=0.9), paint((0.13, 0.2, 0.19), roughness=0.8)
    frame = paint((0.03, 0.03, 0.035), roughness=0.35, metallic=0.4)
    box((0, back_y / 2 - 1.0, -0.05), (10, back_y + 2.0, 0.1), wood((0.33, 0.2, 0.11), planks=True), name=FLOOR_NAME)
    left, right, top = -3.95, 4.4, 3.0
    box((left - 0.05, back_y / 2 - 1, top / 2), (0.1, back_y + 2, top), accent)
    box((right + 0.05, back_y / 2 - 1, top / 2), (0.1, back_y + 2, top), wall)
    window = (door[1] + 0.7, right - 0.5)
    for x0, x1, z0, z1 in (
        (left, door[0], 0, top), (door[1], window[0], 0, top), (window[1], right, 0, top),
        (door[0], door[1], 2.25, top), (window[0], window[1], 0, 0.45), (window[0], window[1], 2.3, top),
    ):  # fmt: skip
        box(((x0 + x1) / 2, back_y, (z0 + z1) / 2), (x1 - x0, 0.16, z1 - z0), wall)
    for x in door:
        box((x, back_y, 1.125), (0.09, 0.2, 2.25), frame)
    box(((door[0] + door[1]) / 2, back_y, 2.25), (door[1] - door[0] + 0.09, 0.2, 0.12), frame)
    for k in range(4):
        x = window[0] + k * (window[1] - window[0]) / 3
        box((x, back_y, 1.375), (0.05, 0.12, 1.85), frame)
    for z in (0.45, 2.3):
        box(((window[0] + window[1]) / 2, back_y, z), (window[1] - window[0], 0.14, 0.06), frame)
    for x0, x1 in ((left, door[0] - 0.05), (door[1] + 0.05, right)):
        box(((x0 + x1) / 2, back_y - 0.09, 0.06), (x1 - x0, 0.02, 0.12), frame)
    middle = (door[0] + door[1]) / 2
    box(
        (middle, back_y - 0.75, 0.008),
        (door[1] - door[0] - 0.1, 1.05, 0.016),
        carpet((0.035, 0.035, 0.04)),
        name=FLOOR_NAME,
    )
    letters = paint((0.95, 0.93, 0.88), roughness=0.6)
    text("WELCOME", (middle, back_y - 0.86, 0.018), 0.26, paint((0.4, 0.38, 0.34)), flat=True)
    text("VESTIBULE", (left + 0.02, 5.9, 2.38), 0.32, letters, facing_deg=90)
    text("NEW SEASON", ((window[0] + window[1]) / 2, back_y - 0.1, 2.5), 0.3, paint((0.13, 0.2, 0.19)))


def plinth(at: tuple[float, float], height_m: float) -> None:
    """A white round platform for a mannequin."""
    bpy.ops.mesh.primitive_cylinder_add(radius=0.42, depth=height_m, location=(*at, height_m / 2), vertices=48)
    bpy.context.object.data.materials.append(paint((0.85, 0.84, 0.82), roughness=0.4))


def shop(seed: int) -> None:
    """The demo's shop: the door in the back wall, the counter on the left, racks and tables on the right."""
    chance = random.Random(seed)  # noqa: S311 - the same shop every time, no secret
    back_y, door = 7.0, (-2.05, -0.15)
    shell(door, back_y)
    street(back_y)
    counter(-2.6, -2.1, 3.9, 5.6)
    wall_shelves(-3.95, 3.6, 5.9, chance)
    rack((4.0, 2.6, 1.55), (4.0, 5.4, 1.55), chance)
    rack((2.0, 4.1, 1.25), (3.2, 4.1, 1.25), chance, low=True)
    table((1.15, 5.75), (1.3, 0.75), 0.78, chance)
    plinth((2.7, 6.0), 0.22)
    furnish_light()


def furnish_light() -> None:
    """One wide panel, little daylight from the street, soft light from above: few lights, so little noise."""
    lamp((0.3, 3.6, 2.98), (5.0, 3.4), 300)
    sky(0.55)


def aisle(seed: int) -> None:
    """A side room: racks along the back wall and a tall shelf in the middle that hides whoever walks behind it."""
    chance = random.Random(seed)  # noqa: S311 - the same room every time, no secret
    back_y = 6.6
    box((0, 2.5, -0.05), (11, 9, 0.1), carpet((0.16, 0.17, 0.19)), name=FLOOR_NAME)
    box((0, back_y, 1.5), (11, 0.1, 3), paint((0.72, 0.68, 0.62), roughness=0.9))
    for x in (-5.2, 5.2):
        box((x, 2.5, 1.5), (0.1, 9, 3), paint((0.42, 0.36, 0.33), roughness=0.9))
    oak, dark = wood((0.36, 0.2, 0.1)), paint((0.05, 0.05, 0.055), roughness=0.4)
    for z in (0.1, 0.6, 1.1, 1.6, 2.1):
        box((0.1, 4.0, z), (2.2, 0.42, 0.035), oak)
        if z < 2:  # noqa: PLR2004 - nothing lies on the top board
            stacks((0.1, 3.98, z + 0.018), 5, 1, chance)
    box((0.1, 4.2, 1.05), (2.2, 0.02, 2.1), dark)
    for x in (-1.0, 1.2):
        box((x, 4.0, 1.05), (0.04, 0.44, 2.1), dark)
    rack((-4.2, 6.1, 1.6), (-1.4, 6.1, 1.6), chance)
    rack((1.2, 6.1, 1.6), (4.2, 6.1, 1.6), chance)
    text("OUTERWEAR", (0, back_y - 0.07, 2.3), 0.34, paint((0.1, 0.1, 0.1)))
    furnish_light()


def salesroom(seed: int) -> None:
    """A room deeper in the shop, open in the middle, under cool light that comes from one side."""
    chance = random.Random(seed)  # noqa: S311 - the same room every time, no secret
    back_y = 6.6
    box((0, 2.5, -0.05), (12, 10, 0.1), carpet((0.3, 0.29, 0.27)), name=FLOOR_NAME)
    box((0, back_y, 1.5), (12, 0.1, 3), paint((0.5, 0.55, 0.6), roughness=0.9))
    for x in (-5.4, 5.2):
        box((x, 2.5, 1.5), (0.1, 10, 3), paint((0.62, 0.6, 0.56), roughness=0.9))
    for x in (-4.6, -1.6, 1.4):
        rack((x, 6.1, 1.6), (x + 2.2, 6.1, 1.6), chance, low=x > 0)
    table((0.9, 2.4), (1.2, 0.7), 0.78, chance)
    text("KNITWEAR", (-1.0, back_y - 0.07, 2.3), 0.34, paint((0.1, 0.1, 0.1)))
    lamp((2.8, 2.2, 2.98), (2.0, 3.0), 330, colour=(0.80, 0.90, 1.0))
    sky(0.4, colour=(0.85, 0.92, 1.0))
