"""`[[alerts]]` in the configuration: what the staff want to be told."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from vestibule.section_types import Fraction, Identifier, Section
from vestibule_models.labels import GarmentGroup, GarmentLabel, GarmentName

_GARMENTS: dict[str, GarmentName] = {name.value: name for name in (*GarmentLabel, *GarmentGroup)}


def _garment(value: object) -> GarmentName:
    if isinstance(value, str) and value in _GARMENTS:
        return _GARMENTS[value]
    raise ValueError(f"unknown garment; garments are {', '.join(GarmentLabel)}; groups are {', '.join(GarmentGroup)}")


AskedGarment = Annotated[GarmentName, BeforeValidator(_garment)]
"""A category or a group, by its name."""


class OpeningHours(Section):
    """Store-local time; `closes` before `opens` runs over midnight."""

    opens: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    closes: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = Field(
        default=("mon", "tue", "wed", "thu", "fri", "sat", "sun"), min_length=1
    )


class AlertRule(Section):
    """What the staff want to be told.

    Attributes:
        any_of: one of these garments is enough; of a group, one of its members, or that it can be said to be one.
        all_of: all of these must be worn (besides one of `any_of`, if given).
        confidence: floor in words: thresholds chosen for a precision of 0.75 (`likely`) and 0.9 (`certain`).
        min_score: floor of the published score, a probability, on top of `confidence`.
        cameras: only these; all if empty.
        zones: only visits that were in one of these; anywhere if empty.
        hours: only then; always if empty.
        cooldown_s: silence of this rule after an alert, per camera.
    """

    name: Identifier
    any_of: tuple[AskedGarment, ...] = ()
    all_of: tuple[AskedGarment, ...] = ()
    confidence: Literal["likely", "certain"] = "likely"
    min_score: Fraction = 0.0
    cameras: tuple[Identifier, ...] = ()
    zones: tuple[Identifier, ...] = ()
    hours: tuple[OpeningHours, ...] = ()
    cooldown_s: float = Field(default=0.0, ge=0, le=86_400)

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not self.any_of and not self.all_of:
            raise ValueError(f"alert {self.name!r} names no garment; set any_of or all_of")
        return self
