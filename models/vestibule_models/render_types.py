"""Names for types that Blender does not declare."""

from typing import Any, TypeAlias

Bpy: TypeAlias = Any
"""Something of Blender's: an object, material, mesh, image, scene or socket. `bpy` ships no types."""
