"""Surfaces of the rendered shop, inside Blender: paint, wood, cloth, carpet, paving."""

import bpy

from vestibule_models.render_types import Bpy

Vec3 = tuple[float, float, float]


def paint(colour: Vec3, *, roughness: float = 0.7, metallic: float = 0.0) -> Bpy:
    """One even colour."""
    made = bpy.data.materials.new("paint")
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1)
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Metallic"].default_value = metallic
    return made


def fabric(colour: Vec3) -> Bpy:
    """Cloth: no gloss, folds by a stretched noise."""
    made = paint(colour, roughness=0.95)
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Specular"].default_value = 0.1
    _mottle(made, colour, scale=(16, 16, 3), spread=0.35)
    return made


def carpet(colour: Vec3) -> Bpy:
    """A doormat: rough, speckled."""
    made = paint(colour, roughness=1.0)
    _mottle(made, colour, scale=(160, 160, 160), spread=0.7)
    return made


def wood(colour: Vec3, *, planks: bool = False) -> Bpy:
    """Wood with its grain along Y; as `planks`, a floor of boards with varied shade."""
    made = paint(colour, roughness=0.38 if planks else 0.5)
    tree = made.node_tree
    grain = _mottle(made, colour, scale=(28, 1.6, 8), spread=0.35)
    if not planks:
        return made
    boards = tree.nodes.new("ShaderNodeTexBrick")
    boards.offset, boards.squash = 0.37, 1.0
    for name, value in (("Scale", 1.0), ("Mortar Size", 0.004), ("Brick Width", 1.5), ("Row Height", 0.15)):
        boards.inputs[name].default_value = value
    boards.inputs["Color1"].default_value = (1.08, 1.05, 1.0, 1)
    boards.inputs["Color2"].default_value = (0.72, 0.70, 0.68, 1)
    boards.inputs["Mortar"].default_value = (0.3, 0.28, 0.26, 1)
    turn = tree.nodes.new("ShaderNodeMapping")
    turn.inputs["Rotation"].default_value = (0, 0, 1.5708)
    where = tree.nodes.new("ShaderNodeTexCoord")
    times = tree.nodes.new("ShaderNodeMixRGB")
    times.blend_type, times.inputs["Fac"].default_value = "MULTIPLY", 1.0
    shader = tree.nodes["Principled BSDF"]
    tree.links.new(where.outputs["Object"], turn.inputs["Vector"])
    tree.links.new(turn.outputs["Vector"], boards.inputs["Vector"])
    tree.links.new(grain, times.inputs["Color1"])
    tree.links.new(boards.outputs["Color"], times.inputs["Color2"])
    tree.links.new(times.outputs["Color"], shader.inputs["Base Color"])
    return made


def paving() -> Bpy:
    """Grey slabs of the street."""
    made = paint((0.4, 0.4, 0.39), roughness=0.9)
    tree = made.node_tree
    slabs = tree.nodes.new("ShaderNodeTexBrick")
    for name, value in (("Scale", 1.0), ("Mortar Size", 0.012), ("Brick Width", 0.6), ("Row Height", 0.4)):
        slabs.inputs[name].default_value = value
    slabs.inputs["Color1"].default_value = (0.40, 0.39, 0.37, 1)
    slabs.inputs["Color2"].default_value = (0.33, 0.33, 0.32, 1)
    slabs.inputs["Mortar"].default_value = (0.16, 0.16, 0.16, 1)
    where = tree.nodes.new("ShaderNodeTexCoord")
    tree.links.new(where.outputs["Object"], slabs.inputs["Vector"])
    tree.links.new(slabs.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Base Color"])
    return made


def _mottle(material: Bpy, colour: Vec3, *, scale: Vec3, spread: float) -> Bpy:
    """Vary the colour by noise that is stretched by `scale`; return the socket that carries the colour."""
    tree = material.node_tree
    where, stretch = tree.nodes.new("ShaderNodeTexCoord"), tree.nodes.new("ShaderNodeMapping")
    noise, ramp = tree.nodes.new("ShaderNodeTexNoise"), tree.nodes.new("ShaderNodeValToRGB")
    stretch.inputs["Scale"].default_value = scale
    noise.inputs["Scale"].default_value, noise.inputs["Detail"].default_value = 1.0, 3.0
    ramp.color_ramp.elements[0].position, ramp.color_ramp.elements[1].position = 0.3, 0.7
    ramp.color_ramp.elements[0].color = (*(c * (1 - spread) for c in colour), 1)
    ramp.color_ramp.elements[1].color = (*(min(1.0, c * (1 + spread)) for c in colour), 1)
    tree.links.new(where.outputs["Object"], stretch.inputs["Vector"])
    tree.links.new(stretch.outputs["Vector"], noise.inputs["Vector"])
    tree.links.new(noise.outputs["Fac"], ramp.inputs["Fac"])
    tree.links.new(ramp.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Base Color"])
    return ramp.outputs["Color"]
