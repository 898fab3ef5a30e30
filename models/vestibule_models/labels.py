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


class GarmentGroup(StrEnum):
    """Kinds of garment that are told more surely than the categories in them."""

    LIGHT_TOP = "Light top"
    KNITWEAR = "Knitwear"
    OUTERWEAR = "Outerwear"
    ONE_PIECE = "One-piece"


MEMBERS: dict[GarmentGroup, tuple[GarmentLabel, ...]] = {
    GarmentGroup.LIGHT_TOP: (GarmentLabel.BLOUSE, GarmentLabel.TOP, GarmentLabel.TEE, GarmentLabel.TANK),
    GarmentGroup.KNITWEAR: (GarmentLabel.SWEATER, GarmentLabel.CARDIGAN),
    GarmentGroup.OUTERWEAR: (GarmentLabel.BLAZER, GarmentLabel.JACKET),
    GarmentGroup.ONE_PIECE: (GarmentLabel.JUMPSUIT, GarmentLabel.ROMPER),
}
"""The categories of each group. Dress, Jeans, Shorts, Skirt and Sweatpants stand for themselves."""

GROUP_OF: dict[str, GarmentGroup] = {label: group for group, members in MEMBERS.items() for label in members}
"""The group of each category that has one."""

GarmentName = GarmentLabel | GarmentGroup
"""Whatever a garment can be called."""
