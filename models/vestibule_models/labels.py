"""The garments that the classifier can name."""

from enum import StrEnum


class GarmentLabel(StrEnum):
    """The 15 categories of Paredes-Miranda et al. 2023, in the paper's order (= the classifier's outputs)."""

    BLAZER = "Blazer"
    BLOUSE = "Blouse"
    CARDIGAN = "Cardigan"
    DRESS = "Dress"
    JACKET = "Jacket"
    JEANS = "Jeans"
    JUMPSUIT = "Jumpsuit"
    ROMPER = "Romper"
    SHORTS = "Shorts"
    SKIRT = "Skirt"
    SWEATER = "Sweater"
    SWEATPANTS = "Sweatpants"
    TANK = "Tank"
    TEE = "Tee"
    TOP = "Top"


LABELS: tuple[GarmentLabel, ...] = tuple(GarmentLabel)
"""Every label, in output order: column `i` of the classifier's `probs` is `LABELS[i]`."""
