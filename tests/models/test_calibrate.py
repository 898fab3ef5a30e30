"""The command, on a copy of the classifier that ships, with answers made here."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vestibule_models.__main__ import main
from vestibule_models.artifact import GarmentManifest, load_manifest
from vestibule_models.dataset import Example
from vestibule_models.evaluate_garments import Answered
from vestibule_models.labels import LABELS
from vestibule_models.predict import shipped_classifier


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped_classifier(), tmp_path / "model"))


def photos(folder: Path, count: int = 600) -> Path:
    """A table of street photos, half of them of split test."""
    rng = np.random.default_rng(5)
    lines = [f"file,source,split,group,{','.join(LABELS)}"]
    for number in range(count):
        worn = ["1" if one else "0" for one in rng.random(len(LABELS)) < 0.4]
        lines.append(f"{number}.png,ccp,{'test' if number % 2 else 'train'},g{number},{','.join(worn)}")
    folder.mkdir()
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def too_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers that are right three times in four and say that they are sure."""

    def answer(_: object, examples: list[Example]) -> Answered:
        rng = np.random.default_rng(6)
        targets = np.stack([example.targets for example in examples])
        right = rng.random(targets.shape) < 0.75
        sure: NDArray[np.float32] = rng.uniform(0.9, 0.999, targets.shape).astype(np.float32)
        return Answered(examples=tuple(examples), probs=np.where(right == (targets > 0), sure, 1 - sure), skipped=())

    monkeypatch.setattr("vestibule_models.calibrate.answer", answer)


def manifest_of(folder: Path) -> GarmentManifest:
    found = load_manifest(folder)
    assert isinstance(found, GarmentManifest)
    return found


@pytest.mark.usefixtures("too_sure")
def test_only_the_map_is_written_and_only_when_asked(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = manifest_of(model)
    words = ["calibrate", str(model), "--data", str(photos(tmp_path / "data"))]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "on 300 photos of data, split test" in printed
    assert manifest_of(model) == before
    assert main([*words, "--write"]) == 0
    after = manifest_of(model)
    assert after.score_map is not None
    assert 0.65 < after.score_map(0.97) < 0.85
    assert after.group_score_map is not None
    assert after.provenance["score_maps"] == "fitted on 300 photos of data, split test"
    kept = {"score_map", "group_score_map", "provenance"}
    assert after.model_dump(exclude=kept) == before.model_dump(exclude=kept)


@pytest.mark.usefixtures("too_sure")
@pytest.mark.parametrize(
    ("words", "said"),
    [(["--source", "mine"], "only of ccp"), (["--split", "val"], "no photo of split 'val'")],
)
def test_photos_that_are_not_there_are_one_line(
    words: list[str], said: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", str(model), "--data", str(photos(tmp_path / "data")), *words]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.usefixtures("too_sure")
def test_too_few_photos_are_refused(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", str(model), "--data", str(photos(tmp_path / "data", 8)), "--write"]) == 1
    assert "too few to calibrate" in capsys.readouterr().err
    assert manifest_of(model) == manifest_of(shipped_classifier())
