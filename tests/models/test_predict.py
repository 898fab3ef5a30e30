from pathlib import Path

import cv2
import numpy as np
import pytest

from vestibule_models.__main__ import main
from vestibule_models.artifact import ArtifactError, GarmentManifest, Thresholds, load_manifest
from vestibule_models.labels import LABELS
from vestibule_models.predict import find_photos, shipped_classifier, truth_of, word
from vestibule_models.predict_drawing import Ranked, annotate


def write_photo(path: Path, *, height: int = 90, width: int = 40) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (height, width, 3)))
    return path


def worn(truth: dict[str, bool]) -> list[str]:
    return [label for label, told in truth.items() if told]


def test_words_follow_the_thresholds() -> None:
    thresholds = Thresholds(positives=50, likely=0.4, certain=0.8)
    assert [word(prob, thresholds) for prob in (0.39, 0.4, 0.8)] == ["", "likely", "certain"]
    assert word(0.99, Thresholds(positives=5, likely=None, certain=None)) == ""


def test_the_classifier_that_ships_is_found_by_its_kind() -> None:
    assert isinstance(load_manifest(shipped_classifier()), GarmentManifest)


def test_a_photo_gets_its_ranked_garments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(write_photo(tmp_path / "a.png")), "--top", "15"]) == 0
    name, _, garments = capsys.readouterr().out.strip().partition(": ")
    scores = [float(words.split()[1]) for words in garments.split(", ")]
    assert name.endswith("a.png")
    assert len(scores) == 15
    assert scores == sorted(scores, reverse=True)


def test_photos_that_cannot_be_read_are_named_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "torn.jpg").write_bytes(b"no picture")
    good = write_photo(tmp_path / "z.png")
    arguments = [str(tmp_path / "none.jpg"), str(tmp_path / "torn.jpg"), str(good)]
    assert main(["predict", *arguments]) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{good}: ")
    lines = [line for line in printed.err.splitlines() if line.startswith("vestibule-models")]
    assert ["none.jpg" in lines[0], "torn.jpg" in lines[1], "2 of 3" in lines[2]] == [True] * 3


@pytest.mark.parametrize(("option", "value", "said"), [("--model", ".", "manifest.json"), ("--top", "0", "1 to 15")])
def test_wrong_arguments_are_one_line(
    option: str, value: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = write_photo(tmp_path / "a.png")
    assert main(["predict", str(photo), option, str(tmp_path) if value == "." else value]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_folders_give_their_photos_once_and_in_order(tmp_path: Path) -> None:
    second, first = write_photo(tmp_path / "Tee" / "b.png"), write_photo(tmp_path / "Dress" / "a.png")
    (tmp_path / "notes.txt").write_text("no photo", encoding="utf-8")
    assert find_photos([tmp_path, first]) == [first, second]
    assert find_photos([tmp_path / "none.jpg"]) == [tmp_path / "none.jpg"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtifactError, match="holds no photo"):
        find_photos([tmp_path / "empty"])


def test_the_folder_tells_what_is_worn(tmp_path: Path) -> None:
    plain, nested = tmp_path / "Test" / "tank_" / "a.png", tmp_path / "Tee" / "shirt-7" / "a.png"
    nobody, split = tmp_path / "Jeans" / "x" / "y" / "a.png", tmp_path / "Dress" / "Train" / "a.png"
    truth = truth_of([plain, nested, nobody, split])
    assert [worn(truth[path]) for path in (plain, nested, nobody, split)] == [["Tank"], ["Tee"], [], []]
    assert len(truth[plain]) == 15  # the other 14 are absent
    assert truth[nobody] == {}


def test_a_manifest_tells_what_is_worn_and_what_is_in_doubt(tmp_path: Path) -> None:
    cells = ["1" if label in {"Blazer", "Skirt"} else "" if label == "Top" else "0" for label in LABELS]
    rows = [f"file,source,split,group,{','.join(LABELS)}", f"a.png,ccp,test,g,{','.join(cells)}"]
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    known, unlisted = tmp_path / "photos" / "a.png", tmp_path / "photos" / "b.png"
    truth = truth_of([known, unlisted])
    assert worn(truth[known]) == ["Blazer", "Skirt"]
    assert "Top" not in truth[known]
    assert truth[unlisted] == {}


def test_what_is_worn_is_printed_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = write_photo(tmp_path / "Dress" / "a.png", height=200)
    assert main(["predict", str(photo), "--annotate", str(tmp_path / "seen")]) == 0
    assert capsys.readouterr().out.strip().endswith("; worn: Dress")
    (drawn,) = (tmp_path / "seen").iterdir()
    picture = cv2.imread(str(drawn))
    assert picture is not None
    assert picture.shape == (480, 96 + 360, 3)


def test_bars_are_green_red_or_blue_and_as_long_as_the_score() -> None:
    ranked = [Ranked(label=name, prob=prob, word="") for name, prob in (("Dress", 1.0), ("Tee", 0.5), ("Top", 0.25))]
    drawn = annotate(np.zeros((10, 10, 3), np.uint8), ranked, {"Dress": True, "Tee": False})[:, 480:].astype(int)
    longest = {"green": drawn[..., 1], "red": drawn[..., 0], "blue": drawn[..., 2]}
    others = {"green": (0, 2), "red": (1, 2), "blue": (0, 1)}
    lengths = {
        name: int(((longest[name] - drawn[..., list(others[name])].max(axis=2)) > 30).sum(axis=1).max())
        for name in longest
    }
    assert lengths["green"] == pytest.approx(320, abs=3)
    assert lengths["red"] == pytest.approx(160, abs=3)
    assert lengths["blue"] == pytest.approx(80, abs=3)
