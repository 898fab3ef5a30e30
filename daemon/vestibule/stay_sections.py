"""`[stays]` in the configuration: which visits of different cameras may be one customer's."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from vestibule.section_types import Identifier, Seconds, Section

_WalkSeconds = Annotated[float, Field(ge=-3600, le=86_400)]


class WalkConfig(Section):
    """How long the way from one camera to another takes.

    Attributes:
        from_camera: where somebody was seen last.
        to_camera: where they are seen next.
        min_s: from the last sight before the one to the first before the other; below 0 where both see one place, so
            that somebody is in both pictures for a while.
        max_s: the same, at most.
    """

    from_camera: Identifier
    to_camera: Identifier
    min_s: _WalkSeconds = 0.0
    max_s: _WalkSeconds = 120.0

    @model_validator(mode="after")
    def _is_a_window(self) -> Self:
        if self.from_camera == self.to_camera:
            raise ValueError(f"a walk from {self.from_camera!r} to itself; name two cameras")
        if self.min_s >= self.max_s:
            raise ValueError(f"min_s {self.min_s:g} is not below max_s {self.max_s:g}")
        return self


class StaysConfig(Section):
    """When visits before several cameras are one customer's stay.

    Only cameras of which one at least has the role `floor` are linked: without such a camera nothing is.

    Attributes:
        max_walk_s: between any two cameras, if `walks` says nothing of them.
        learn_walks: whether ways that `walks` does not name get a shorter window from the links that were made.
        walks: of single ways, one direction each.
    """

    enabled: bool = True
    max_walk_s: Seconds = 120.0
    learn_walks: bool = False
    walks: tuple[WalkConfig, ...] = ()
