"""The command, on photos and people that are drawn here, with the classifier and the detector that ship."""

import contextlib
import io
import json
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from vestibule_models.__main__ import main
from vestibule_models.artifact import ZOO, load_manifest
from vestibule_models.labels import LABELS
from vestibule_models.predict import shipped_classifier

CLASSIFIER = shipped_classifier()
DETECTOR = ZOO / "person-mobilenet"


def write_photo(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 256, (90, 40, 3)))


def class_folders(folder: Path, *, each: int = 11) -> Path:
    for number in range(each):
        write_photo(folder / "Dress" / f"{number}.png", number)
        write_photo(folder / "Jeans" / f"{number}.png", 100 + number)
    return folder


def with_manifest(folder: Path, sources: list[str]) -> Path:
    lines = [f"file,source,split,group,{','.join(LABELS)}"]
    for number, source in enumerate(sources):
        write_photo(folder / "photos" / f"{number}.png", number)
        cells = ["1" if label == ("Dress" if number % 2 else "Tee") else "0" for label in LABELS]
        lines.append(f"{number}.png,{source},{'val' if number % 5 == 0 else 'test'},g{number},{','.join(cells)}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def evaluate(*arguments: str | Path) -> int:
    return main(["evaluate", *map(str, arguments)])


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store's own folder, measured once for several tests: prints, JSON and page lie beside it."""
    folder = tmp_path_factory.mktemp("own")
    data = class_folders(folder / "mine")
    (data / "Dress" / "torn.jpg").write_bytes(b"\xff\xd8\xff torn")
    html: list[str | Path] = (
        ["--html", folder / "a.html"] if find_spec("matplotlib") and find_spec("markdown_it") else []
    )
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr("vestibule_models.speed._ROUNDS", 1)  # how fast it is, is not what is tested
        assert evaluate(CLASSIFIER, "--data", data, "--markdown", "--json", folder / "a.json", *html) == 0
    (folder / "out.md").write_text(out.getvalue(), encoding="utf-8")
    (folder / "err.txt").write_text(err.getvalue(), encoding="utf-8")
    return folder


def test_a_stores_own_folders_are_measured_over_all_photos(own: Path) -> None:
    printed = (own / "out.md").read_text(encoding="utf-8")
    assert "There are no street photos (source `ccp`) here, so it is over all photos." in printed
    assert "torn.jpg" in (own / "err.txt").read_text(encoding="utf-8")
    found = json.loads((own / "a.json").read_text(encoding="utf-8"))
    assert (found["kind"], found["model"]) == ("garment-classifier", load_manifest(CLASSIFIER).name)
    assert found["macro_ap_source"] == "all photos"
    assert found["split"] == "all"
    assert set(found["per_category"]) == {"Dress", "Jeans"}
    each = [found["per_category"][name]["ap"] for name in ("Dress", "Jeans")]
    assert found["macro_ap"] == pytest.approx(np.mean(each))
    assert found["macro_ap_95"][0] <= found["macro_ap"] <= found["macro_ap_95"][1]
    assert set(found["per_source"]) == {"mine", "all photos"}
    assert found["per_source"]["mine"]["photos"] == 22
    assert len(found["skipped"]) == 1
    assert [batch["batch"] for batch in found["speed"]["batches"]] == [1, 8, 16]
    assert all(batch["crops_per_s"] > 0 for batch in found["speed"]["batches"])


def test_the_card_holds_its_sections(own: Path) -> None:
    printed = (own / "out.md").read_text(encoding="utf-8")
    for heading in ("## Figures", "### Poorer pictures", "### What is told instead", "### Calibration", "### Speed"):
        assert f"\n{heading}\n" in f"\n{printed}"


def test_the_page_stands_alone(own: Path) -> None:
    if not (own / "a.html").is_file():
        pytest.skip("needs matplotlib and markdown-it-py (the extra `reports`)")
    text = (own / "a.html").read_text(encoding="utf-8")
    assert text.count("<svg") >= 5
    assert "data:image/jpeg;base64," in text
    assert 'src="http' not in text
    assert "Worst mistakes" in text


def test_street_photos_are_the_headline_and_the_others_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestibule_models.speed._ROUNDS", 1)
    data = with_manifest(tmp_path / "data", ["ccp"] * 30 + ["myntra-small"] * 6)
    assert evaluate(CLASSIFIER, "--data", data, "--split", "test", "--json", tmp_path / "a.json") == 0
    found = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert found["macro_ap_source"] == "ccp"
    assert found["macro_ap_over"] == ["Dress", "Tee"]
    assert {source: row["photos"] for source, row in found["per_source"].items()} == {"ccp": 24, "myntra-small": 4}
    degraded = found["per_source"]["ccp"]["degraded"]
    assert set(degraded) == {"128 px tall", "96 px tall", "64 px tall", "blur", "dark", "JPEG 30"}
    assert degraded["64 px tall"]["photos"] == 24
    assert found["per_source"]["ccp"]["calibration"]["expected_calibration_error"] >= 0
    assert found["per_source"]["myntra-small"]["macro_ap"] is None


def test_without_matplotlib_one_line_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vestibule_models.evaluate.importlib.util.find_spec", lambda _: None)
    assert evaluate(CLASSIFIER, "--data", tmp_path, "--html", tmp_path / "a.html") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "pip install 'vestibule[reports]'" in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to measure on"),
        (["--data", "none"], "none is no folder"),
        (["--data", "{mine}", "--split", "test", "--json", "no/such/a.json"], "make it first"),
        (["--data", "{mine}", "--sprites", "x"], "belong together"),
        (["--data", "{mine}", "--threads", "0"], "give 1 or more"),
        (["--data", "{empty}"], "has neither manifest.csv"),
    ],
)
def test_wrong_arguments_are_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"mine": class_folders(tmp_path / "mine", each=1), "empty": tmp_path / "empty"}
    places["empty"].mkdir()
    assert evaluate(CLASSIFIER, *(word.format(**places) for word in arguments)) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_split_without_photos_names_those_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_photo(tmp_path / "mine" / "Train" / "Dress" / "a.png", 1)
    assert evaluate(CLASSIFIER, "--data", tmp_path / "mine", "--split", "test") == 1
    assert "no photo of split 'test', only of" in capsys.readouterr().err


def test_people_of_a_folder_of_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestibule_models.evaluate_persons.ROOMS", 20)
    write_photo(tmp_path / "photos" / "a.png", 1)
    (tmp_path / "photos.csv").write_text("file,source,split,width,height\na.png,mine,test,40,90\n", encoding="utf-8")
    (tmp_path / "boxes.csv").write_text("file,x0,y0,x1,y1\na.png,5,5,35,85\n", encoding="utf-8")
    report, page = tmp_path / "a.json", tmp_path / "a.html"
    html: list[str | Path] = ["--html", page] if find_spec("matplotlib") and find_spec("markdown_it") else []
    assert evaluate(DETECTOR, "--data", tmp_path, "--no-hog", "--json", report, *html) == 0
    assert not html or "Photos, everyday" in page.read_text(encoding="utf-8")
    found = json.loads(report.read_text(encoding="utf-8"))
    assert found["kind"] == "person-detector"
    assert found["ap50"] is None  # no labelled frames here
    assert found["empty"]["drawn rooms"]["pictures"] == 20
    mine = found["detectors"][load_manifest(DETECTOR).name]
    assert mine["per_set"]["photos, everyday"]["people"] == 1
    assert set(mine["by_height"]["photos, everyday"]) == {"256 px and over"}  # 80 px of a photo 40 px wide


def test_a_folder_without_people_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(DETECTOR, "--data", tmp_path) == 1
    assert "has no people to find" in capsys.readouterr().err
