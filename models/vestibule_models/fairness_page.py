"""How women, men and groups are treated, as a section of the page of an evaluation."""

from collections.abc import Sequence

from vestibule_models import page as pages
from vestibule_models import plots
from vestibule_models.fairness import Fairness
from vestibule_models.garment_tables import fairness


def sections(found: Sequence[Fairness]) -> list[pages.Section]:
    """Return a section with a plot of all avatars and the table, or none where nothing was looked at."""
    if not found:
        return []
    asked = list(dict.fromkeys(one.what for one in found))
    drawn = ""
    for what in asked:
        recalls = {
            side.name: side.recall for one in found if (one.what, one.avatars) == (what, "all") for side in one.sides
        }
        drawn += plots.ranges(recalls, label=f"recall of all avatars: {what}")
    return [pages.Section(heading="Women and men, and groups", html=drawn + pages.markdown(fairness(found)))]
