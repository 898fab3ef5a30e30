"""`vestibule report`: customers, never frames; days of every length; nothing small in any form."""

import csv
import io
import json
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import synthetic_ledger
from ledgers import NOON_S, alert, claim, ledger, visit

from vestibule.cli import main
from vestibule.config import Settings
from vestibule.errors import ConfigError, SinkError
from vestibule.ledger_reading import reading
from vestibule.ledger_section import LedgerConfig
from vestibule.report import FORMATS, Report, ReportOptions, make_report, report
from vestibule.report.figures import Period, Scope
from vestibule.sections import SiteConfig
from vestibule.types import Message

TODAY = date(2026, 11, 25)
NOON = date(2023, 11, 15)
DAY_S = 86_400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


def keep(path: Path, *messages: Message, **options: Any) -> Path:  # noqa: ANN401 - options of the ledger
    sink = ledger(path, **options)
    for message in messages:
        sink.publish(message)
    sink.close()
    return path


def told(path: Path, settings: Settings | None = None, **options: Any) -> str:  # noqa: ANN401 - options of the report
    out = io.StringIO()
    assert report(settings, ReportOptions(ledger=path, **options), today=TODAY, stream=out) == 0
    return out.getvalue()


def figures(path: Path, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - options of the report
    found: dict[str, Any] = json.loads(told(path, form="json", **options))
    return found


def worn(found: dict[str, Any]) -> dict[str, Any]:
    return {row["label"]: row["customers"] for row in found["garments"]}


class TestWhoIsCounted:
    def test_customers_are_people_who_entered(self, path: Path) -> None:
        keep(
            path,
            visit(1, worn=("Dress", "Blazer")),
            visit(2, worn=("Dress",), silent=True),  # staff
            visit(3, worn=("Dress",), entered=False),  # passed by
            visit(4, worn=("Jeans",), settled=False),
            visit(5, phase="confirmed"),  # still there
            min_cell=1,
        )
        found = figures(path)
        assert (found["customers"], found["visits"], found["settled"]) == (2, 2, 1)
        assert {label: count for label, count in worn(found).items() if count} == {"Dress": 1, "Blazer": 1}
        assert found["by_hour"][12] == {"hour": 12, "customers": 2, "Dress": 1, "Blazer": 1}

    def test_one_customer_on_two_cameras_is_one(self, path: Path) -> None:
        together = {"stay_id": "stay-1", "in_doubt": False}
        keep(
            path,
            visit(1, stay=together, worn=("Tee",), readings=4),
            visit(2, stay=together, worn=("Blouse",), readings=9, camera="hall", at_s=NOON_S + 60, entered=False),
            visit(3, stay={"stay_id": "hall-3", "in_doubt": True}, camera="hall"),
            min_cell=1,
        )
        found = figures(path)
        assert (found["customers"], found["visits"], found["in_doubt"]) == (2, 3, 1)
        assert worn(found)["Blouse"] == 1  # by the visit with most readings
        assert worn(found)["Tee"] == 0
        assert figures(path, camera="door")["customers"] == 1
        assert worn(figures(path, camera="door"))["Tee"] == 1

    def test_staff_on_one_camera_is_staff_on_all(self, path: Path) -> None:
        together = {"stay_id": "stay-1", "in_doubt": False}
        keep(path, visit(1, stay=together), visit(2, stay=together, camera="counter", silent=True), min_cell=1)
        assert figures(path)["customers"] == figures(path, camera="door")["customers"] == 0

    def test_a_stay_belongs_to_the_day_on_which_it_began(self, path: Path) -> None:
        together, midnight_s = {"stay_id": "stay-1", "in_doubt": False}, NOON_S + DAY_S / 2
        keep(
            path,
            visit(1, stay=together, at_s=midnight_s - 60),
            visit(2, stay=together, at_s=midnight_s + 60, camera="hall"),
            min_cell=1,
        )
        assert figures(path, first=NOON, last=NOON)["customers"] == 1
        assert figures(path, first=NOON + timedelta(days=1), last=NOON + timedelta(days=1))["customers"] == 0
        assert [each["customers"] for each in figures(path)["by_day"]][-2:] == [1, 0]


class TestPeriods:
    def test_the_week_that_ends_with_the_newest_visit(self, path: Path) -> None:
        keep(path, visit(1), visit(2, at_s=NOON_S - 8 * DAY_S), min_cell=1)
        found = figures(path)
        assert (found["first_day"], found["last_day"]) == ("2023-11-09", "2023-11-15")
        assert (found["customers"], found["customers_before"], found["change"]) == (1, 1, 0.0)

    def test_an_empty_ledger_is_a_report_of_nobody(self, path: Path) -> None:
        keep(path)
        found = figures(path)
        assert (found["last_day"], found["customers"], found["customers_before"]) == ("2026-11-25", "<5", None)
        for form in FORMATS:
            assert told(path, form=form)

    def test_one_visit(self, path: Path) -> None:
        keep(path, visit(1), alert(1), claim(1))
        for form in FORMATS:
            text = told(path, form=form)
            assert not re.search(r"\b12:00\b", text), form  # when it was
        assert figures(path)["alerts"] == {
            "alerts": "<5",
            "claimed": "<5",
            "claimed_share": None,
            "to_claim_p50_s": None,
            "to_claim_p95_s": None,
            "to_alert_p50_s": None,
            "to_alert_p95_s": None,
        }

    @pytest.mark.parametrize(
        ("zone", "day", "hours", "starts"),
        [
            ("America/New_York", date(2026, 3, 8), 23, "2026-03-08T05:00"),
            ("America/New_York", date(2026, 11, 1), 25, "2026-11-01T04:00"),
            ("America/Santiago", date(2026, 9, 6), 23, "2026-09-06T04:00"),
            ("America/Santiago", date(2026, 4, 4), 25, "2026-04-04T03:00"),
            ("Asia/Beirut", date(2026, 3, 29), 23, "2026-03-28T22:00"),
        ],
    )
    def test_days_of_23_and_25_hours(self, path: Path, zone: str, day: date, hours: int, starts: str) -> None:
        start_s = datetime.fromisoformat(starts).replace(tzinfo=UTC).timestamp()
        around = [start_s - 1800 + 3600 * n for n in range(hours + 2)]  # half an hour before the day to half after it
        keep(path, *(visit(n, at_s=at_s) for n, at_s in enumerate(around)), zone=zone, min_cell=1)
        found = figures(path, first=day - timedelta(days=1), last=day + timedelta(days=1))
        assert [(each["hours"], each["customers"]) for each in found["by_day"]] == [(24, 1), (hours, hours), (24, 1)]
        assert any(f"had {hours} hours" in note for note in found["notes"])
        by_hour = [each["customers"] for each in figures(path, first=day, last=day)["by_hour"]]
        assert sum(by_hour) == hours
        assert sorted(set(by_hour)) == ([0, 1] if hours == 23 else [1, 2])

    def test_what_is_no_period_is_said(self, path: Path) -> None:
        keep(path, visit(1))
        with pytest.raises(ConfigError, match="ends before it begins"):
            told(path, first=NOON, last=NOON - timedelta(days=1))
        with pytest.raises(ConfigError, match="more than 3660 days"):
            told(path, first=date(1900, 1, 1), last=NOON)


class TestAlertsAndClaims:
    def test_times_from_alert_to_claim(self, path: Path) -> None:
        messages = [m for n in range(10) for m in (visit(n), alert(n))]
        messages += [claim(n, after_s=10.0 * (n + 1)) for n in range(5)]
        found = figures(keep(path, *messages))["alerts"]
        assert (found["alerts"], found["claimed"]) == (10, 5)
        assert found["claimed_share"] == {"value": 0.5, "low": 0.2366, "high": 0.7634}  # Wilson 1927
        assert found["to_claim_p50_s"] == 30
        assert found["to_claim_p95_s"] == 48
        assert found["to_alert_p50_s"] == 2

    def test_of_one_camera(self, path: Path) -> None:
        keep(path, *(alert(n) for n in range(6)), *(alert(n, camera="hall") for n in range(7)), visit(1), min_cell=1)
        assert figures(path, camera="door")["alerts"]["alerts"] == 6
        assert figures(path)["alerts"]["alerts"] == 13


class TestWhatLeavesTheBox:
    @pytest.fixture
    def few(self, path: Path) -> Path:
        """Nine in dresses at noon, three in blazers at three, two days."""
        messages = [visit(n, worn=("Dress",), at_s=NOON_S + n) for n in range(9)]
        messages += [visit(20 + n, worn=("Blazer",), at_s=NOON_S + 3 * 3600 + n) for n in range(3)]
        messages += [visit(40 + n, worn=("Jeans",), at_s=NOON_S - DAY_S) for n in range(4)]
        return keep(path, *messages)

    def test_small_cells_are_in_no_form(self, few: Path) -> None:
        found = figures(few)
        assert found["customers"] == 16
        assert worn(found)["Dress"] == 9
        assert {*worn(found).values()} == {9, "<5"}
        hours = [each["customers"] for each in found["by_hour"]]
        assert hours[15] == "<5"
        assert hours[12] == "withheld"  # 16 less 13 would tell of the three
        for form in ("csv", "json", "html", "table"):
            text = told(few, form=form)
            assert "<5" in text or "&lt;5" in text
        assert found["by_weekday_and_hour"]["Wed"][15] == "<5"

    def test_the_numbers_of_json_and_csv_are_the_same_and_none_is_small(self, few: Path) -> None:
        rows = list(csv.DictReader(io.StringIO(told(few, form="csv"))))
        counts = [row["value"] for row in rows if row["column"].startswith(("customers", "Dress", "Blazer"))]
        assert "9" in counts
        assert not any(value.isdigit() and 0 <= int(value) < 5 for value in counts)
        garments = [row for row in rows if (row["table"], row["column"]) == ("garments", "customers")]
        expected = {label: str(count) for label, count in worn(figures(few)).items()}
        assert {row["row"]: row["value"] for row in garments} == expected

    def test_the_order_of_what_is_hidden_tells_nothing(self, few: Path) -> None:
        labels = [row["label"] for row in figures(few)["garments"]]
        assert labels[0] == "Dress"
        assert labels[1:] == sorted(labels[1:])

    def test_a_store_s_own_threshold_comes_with_its_ledger(self, path: Path) -> None:
        keep(path, *(visit(n) for n in range(8)), min_cell=10)
        assert figures(path)["customers"] == "<10"
        settings = Settings(site=SiteConfig(id="store"), ledger=LedgerConfig(path=path, min_cell=3))
        out = io.StringIO()
        report(settings, ReportOptions(form="json"), today=TODAY, stream=out)
        assert json.loads(out.getvalue())["customers"] == 8


class TestSites:
    def test_one_of_several_has_to_be_named(self, path: Path) -> None:
        synthetic_ledger.write(path, days=2, busy=0.2)
        keep(path, visit(1))
        with pytest.raises(
            ConfigError, match=r"it holds several; name one of its sites with --site: mall-north, store"
        ):
            told(path)
        with pytest.raises(ConfigError, match="--site nowhere is not in it"):
            told(path, site="nowhere")
        assert figures(path, site="mall-north")["time_zone"] == "America/New_York"
        assert figures(path, site="store")["site"] == "store"

    def test_an_unknown_camera_is_said(self, path: Path) -> None:
        keep(path, visit(1))
        with pytest.raises(ConfigError, match="--camera attic: no such camera; there are door"):
            told(path, camera="attic")

    def test_no_ledger_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("STATE_DIRECTORY", raising=False)
        with pytest.raises(ConfigError, match="no ledger is configured"):
            report(Settings(), ReportOptions(), today=TODAY, stream=io.StringIO())

    def test_a_report_that_cannot_be_written_is_said(self, path: Path, tmp_path: Path) -> None:
        keep(path, visit(1))
        with pytest.raises(SinkError, match=r"--out .*: Is a directory; name a file"):
            told(path, out=tmp_path)


class TestCommandLine:
    def test_a_page_of_a_ledger_alone(self, path: Path, tmp_path: Path) -> None:
        keep(path, *(visit(n) for n in range(8)))
        page = tmp_path / "report.html"
        arguments = ["report", "--ledger", str(path), "--from", "2023-11-15", "--to", "2023-11-15", "--format", "html"]
        assert main([*arguments, "--out", str(page)]) == 0
        assert "<b>8</b>" in page.read_text(encoding="utf-8")

    def test_neither_configuration_nor_ledger(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["report"]) == 1
        assert "name a configuration with --config, or a ledger with --ledger" in capsys.readouterr().err

    def test_parts_of_days_are_refused(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            main(["report", "--ledger", str(path), "--from", "2026-11-01T10:00"])
        assert "name a whole one, such as 2026-11-01" in capsys.readouterr().err


def counted(path: Path, make: Callable[[sqlite3.Connection], Report]) -> tuple[int, Report]:
    """How many queries a report takes."""
    queries: list[str] = []
    with reading(path) as db:
        db.set_trace_callback(queries.append)
        found = make(db)
    return len(queries), found


def test_thousands_of_visits_take_as_many_queries_as_one(tmp_path: Path) -> None:
    period = Period(first=date(2026, 10, 26), last=date(2026, 11, 8))
    scope = Scope(site="mall-north", camera=None, zone=ZoneInfo("America/New_York"), period=period, min_cell=5)
    few = counted(synthetic_ledger.write(tmp_path / "few", days=1, busy=0.05), lambda db: make_report(db, scope))
    many = counted(synthetic_ledger.write(tmp_path / "many", days=28), lambda db: make_report(db, scope))
    assert isinstance(many[1].visits, int)
    assert many[1].visits > 2000
    assert few[0] == many[0] == 7


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four weeks of a store that does not exist; clocks change in them."""
    return synthetic_ledger.write(tmp_path_factory.mktemp("month") / "ledger.sqlite3")


class TestSyntheticStore:
    def test_shares_are_those_of_the_generator(self, month: Path) -> None:
        found = figures(month, first=date(2026, 10, 12), last=date(2026, 11, 8))
        shares = {row["label"]: row["share"] for row in found["garments"]}
        for label in ("Jeans", "Tee", "Dress", "Blazer"):
            assert shares[label]["value"] == pytest.approx(synthetic_ledger.WORN[label], abs=0.02), label
            assert shares[label]["low"] < shares[label]["value"] < shares[label]["high"]

    def test_the_day_when_clocks_change_is_told(self, month: Path) -> None:
        text = told(month, first=date(2026, 10, 26), last=date(2026, 11, 1))
        assert "Clocks changed: Sun 1 Nov 2026 had 25 hours." in re.sub(r"\s+", " ", text)

    def test_the_same_ledger_gives_the_same_page(self, month: Path) -> None:
        first, second = told(month, form="html"), told(month, form="html")
        assert first == second
        assert first.count("<svg") == 5
        assert not re.search(r'(src|href)="(?!#)', first.replace("xlink:", ""))  # nothing beside it
        assert "<script" not in first

    def test_a_period_before_that_the_ledger_does_not_hold_whole_is_told(self, month: Path) -> None:
        notes = figures(month, first=date(2026, 10, 20), last=date(2026, 11, 8))["notes"]
        assert any("The ledger begins on Mon 12 Oct 2026" in note for note in notes)
        assert not any("The ledger begins" in note for note in figures(month)["notes"])

    def test_the_table_has_everything(self, month: Path) -> None:
        text = told(month)
        for part in ("By day", "By hour of the day", "Jeans", "alert to claim, 95 % of them within", "each other"):
            assert part in text
