"""Numbers that may be shown, and those that might single somebody out and are not.

A count below `min_cell`, zero included, is shown as "<5". Where a list is shown with its total, a single hidden count
would follow by subtraction: so many more are withheld, smallest first, that what is hidden adds up to `min_cell` at
least and fits more than one way (complementary suppression; Hundepool et al., Statistical Disclosure Control, 2012,
chapter 4).
"""

from collections.abc import Sequence

WITHHELD = "withheld"
"""In place of a count that would give another one away."""

Cell = int | str
"""A count, or what is shown in its place."""


def cell(count: int, min_cell: int) -> Cell:
    """Return a count that stands alone as it may be shown."""
    return count if count >= min_cell or min_cell <= 1 else f"<{min_cell}"


def cells(counts: Sequence[int], min_cell: int) -> tuple[tuple[Cell, ...], bool]:
    """Return counts whose total is known as they may be shown, and whether the total may be shown with them."""
    hidden = [n for n, count in enumerate(counts) if count < min_cell]
    if min_cell <= 1 or not any(counts[n] for n in hidden):
        return tuple(cell(count, min_cell) for count in counts), True
    by_size = sorted(range(len(counts)), key=lambda n: counts[n])  # the hidden ones come first
    withheld = 0
    while not (safe := _is_safe(counts, hidden, withheld, min_cell)) and len(hidden) < len(counts):
        hidden.append(by_size[len(hidden)])
        withheld += 1
    shown = [cell(count, min_cell) for count in counts]
    for n in hidden[len(hidden) - withheld :]:
        shown[n] = WITHHELD
    return tuple(shown), safe or sum(counts) < min_cell


def _is_safe(counts: Sequence[int], hidden: Sequence[int], withheld: int, min_cell: int) -> bool:
    """Whether no hidden count follows from their sum, all being below `min_cell` but for those withheld."""
    together = sum(counts[n] for n in hidden)
    all_at_most = withheld == 0 and together == len(hidden) * (min_cell - 1)
    return together >= min_cell and not all_at_most


def band(count: int, min_cell: int) -> str:
    """Return between which two numbers a count lies: few and wide, as there is no total that could be hidden."""
    if min_cell <= 1:
        return str(count)
    low = min_cell
    if count < low:
        return f"<{low}"
    while count >= 2 * low:
        low *= 2
    return f"{low}-{2 * low - 1}"
