import pytest

pytest.importorskip("matplotlib", reason="needs matplotlib (the extra `reports`)")
pytest.importorskip("markdown_it", reason="needs markdown-it-py (the extra `reports`)")

from vestibule_models.fairness import Unit, compare_sides
from vestibule_models.fairness_page import sections


def test_both_sides_are_drawn_and_told() -> None:
    units = [Unit(group="MENA", sex=sex, outfit="Tee", unseen=False, right=20, trials=28) for sex in ("men", "women")]
    (section,) = sections(compare_sides(units, "found", rounds=9))
    plot, _, table = section.html.partition("</svg>")
    for name in ("men", "women", "MENA"):
        assert f">{name}<" in plot
        assert f"<td>{name}</td>" in table


def test_nothing_looked_at_gives_no_section() -> None:
    assert sections(()) == []
