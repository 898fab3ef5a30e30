from vestibule_models.calibration import Interval
from vestibule_models.fairness import Fairness, Side
from vestibule_models.garment_tables import fairness, interval

HALF = Interval(value=0.5, low=0.25, high=0.75)


def asked(p_value: float | None) -> Fairness:
    sides = tuple(
        Side(name=name, avatars=3, trials=84, recall=HALF, beside_equals=beside)
        for name, beside in (("men", 0.125), ("women", -0.125))
    )
    return Fairness(what="found", by="sex", avatars="all", sides=sides, p_value=p_value)


def test_a_figure_that_rests_on_nothing_is_a_dash() -> None:
    assert interval(HALF) == "0.50 (0.25-0.75)"
    assert interval(None) == interval(Interval(value=float("nan"), low=0, high=1)) == "-"


def test_a_difference_beyond_chance_is_named() -> None:
    text = fairness([asked(0.004), asked(0.3), asked(None)])
    assert "| found | all | women | 3, 84 | 0.50 (0.25-0.75) | -0.125 | 0.004 |" in text
    assert "2 tests were made): found, all avatars, by sex: p = 0.004.**" in text


def test_no_difference_is_said_too() -> None:
    assert fairness([asked(0.3), asked(None)]).endswith("No difference beyond chance (p < 0.05) in 1 tests.")
