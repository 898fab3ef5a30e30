"""What is installed is whole, runs, and is what the daemon takes; the rest is refused with the reason."""

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vestibule.classifiers import build_classifier
from vestibule.detectors import build_detector
from vestibule.errors import ModelError
from vestibule.sections import ClassifierConfig, DetectorConfig
from vestibule_models.__main__ import main
from vestibule_models.artifact import ZOO, describe_file, load_manifest

CLASSIFIER = next(path.parent for path in sorted(ZOO.glob("garments-*/manifest.json")))
DETECTOR = ZOO / "person-mobilenet"


def install(model: Path | str, store: Path) -> int:
    return main(["install", str(model), "--store", str(store)])


@pytest.mark.parametrize("model", [CLASSIFIER, DETECTOR], ids=["classifier", "detector"])
def test_a_shipped_model_is_installed_whole_and_the_daemon_takes_it(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store" / "models"
    assert install(model.name, store) == 0
    manifest = load_manifest(model)
    target = store / f"{manifest.name}-{manifest.version}"
    assert list(store.iterdir()) == [target]
    for name in ("manifest.json", "MODEL_CARD.md", *manifest.files):
        assert (target / name).read_bytes() == (model / name).read_bytes()
    said = capsys.readouterr().out
    settings = tomllib.loads("\n".join(line for line in said.splitlines() if line.startswith("    ")))
    assert "restart the daemon" in said
    (section,) = settings
    assert section == ("classifier" if model == CLASSIFIER else "detector")
    assert load_as_the_daemon(Path(settings[section]["model"]), model)


def test_a_second_time_is_no_fault_and_checks_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert install(DETECTOR, tmp_path) == 0
    assert install(DETECTOR, tmp_path) == 0
    assert "there already, whole" in capsys.readouterr().out
    (tflite,) = tmp_path.rglob("*.tflite")
    tflite.write_bytes(tflite.read_bytes()[:-1])
    assert install(DETECTOR, tmp_path) == 1
    assert "SHA-256" in capsys.readouterr().err


def test_another_model_of_that_name_and_version_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    assert install(DETECTOR, store) == 0
    changed = Path(shutil.copytree(DETECTOR, tmp_path / "changed"))
    change(changed, lambda text: text.update(score_threshold=0.5))
    assert install(changed, store) == 1
    assert "raise the version" in capsys.readouterr().err
    (kept,) = store.iterdir()
    assert load_manifest(kept) == load_manifest(DETECTOR)


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    text = json.loads(path.read_text(encoding="utf-8"))
    edit(text)
    path.write_text(json.dumps(text), encoding="utf-8")


def spoil(folder: Path, content: bytes) -> None:
    """Put something else into the .tflite and let the manifest agree."""
    (path,) = folder.glob("*.tflite")
    path.write_bytes(content)
    change(folder, lambda text: text["files"].update({path.name: describe_file(path).model_dump()}))


FAULTS: dict[str, tuple[Path, Callable[[Path], object], str]] = {
    "no manifest": (CLASSIFIER, lambda f: (f / "manifest.json").unlink(), "no folder with a manifest.json"),
    "a key too many": (CLASSIFIER, lambda f: change(f, lambda t: t.update(colour="red")), "colour"),
    "other labels": (CLASSIFIER, lambda f: change(f, lambda t: t["labels"].reverse()), "labels must be the 15"),
    "a file missing": (CLASSIFIER, lambda f: next(f.glob("*.tflite")).unlink(), "is missing"),
    "a damaged file": (DETECTOR, lambda f: next(f.glob("*.tflite")).write_bytes(b"x"), "SHA-256"),
    "no network": (CLASSIFIER, lambda f: spoil(f, b"no network at all"), "LiteRT cannot load it"),
    "no network to detect with": (DETECTOR, lambda f: spoil(f, b"no network at all"), "LiteRT cannot load it"),
    "another input": (CLASSIFIER, lambda f: change(f, lambda t: t["input"].update(height=64)), "its manifest says"),
    "another embedding": (CLASSIFIER, lambda f: change(f, lambda t: t.update(embedding_size=99)), "its manifest says"),
    "another frame": (DETECTOR, lambda f: change(f, lambda t: t["input"].update(width=640)), "its manifest says"),
    "another decoder": (DETECTOR, lambda f: change(f, lambda t: t.update(decoder="yolov8")), "correct decoder"),
    "more classes": (DETECTOR, lambda f: change(f, lambda t: t.update(classes=80)), "correct decoder"),
    "no such class": (DETECTOR, lambda f: change(f, lambda t: t.update(person_class=1)), "person_class 1"),
    "a scaled byte": (DETECTOR, lambda f: change(f, lambda t: t["input"].update(scale=0.5)), "is not scaled"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_the_daemon_would_refuse_is_refused_and_leaves_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, damage, wanted = FAULTS[name]
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    damage(folder)
    assert install(folder, tmp_path / "store") == 1
    said = capsys.readouterr().err
    assert wanted in said
    assert said.count("\n") == 1
    assert not (tmp_path / "store").exists() or not list((tmp_path / "store").iterdir())
    with pytest.raises(ModelError):
        load_as_the_daemon(folder, model)


def test_a_size_that_only_the_manifest_takes_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(shutil.copytree(DETECTOR, tmp_path / "model"))
    change(folder, lambda text: text.update(resizable=24))
    assert install(folder, tmp_path / "store") == 1
    assert "resizable" in capsys.readouterr().err


def load_as_the_daemon(folder: Path, model: Path) -> object:
    if model == CLASSIFIER:
        return build_classifier(ClassifierConfig.model_validate({"runtime": "litert", "model": folder}))
    return build_detector(DetectorConfig.model_validate({"model": folder}))


def test_a_classifier_without_litert_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(shutil.copytree(CLASSIFIER, tmp_path / "model"))
    change(folder, lambda text: [text["files"].pop(name) for name in list(text["files"]) if name.endswith(".tflite")])
    assert install(folder, tmp_path / "store") == 1
    assert "has no .tflite file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../evil", "a/b", "", " ", ".hidden"])
def test_names_that_lead_elsewhere_are_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(shutil.copytree(DETECTOR, tmp_path / "model"))
    change(folder, lambda text: text.update(name=name))
    assert install(folder, tmp_path / "store") == 1
    assert "cannot be part of a folder's name" in capsys.readouterr().err


def test_files_outside_of_the_folder_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(shutil.copytree(DETECTOR, tmp_path / "model"))
    (tmp_path / "secret.tflite").write_bytes(b"x")
    lie = {"../secret.tflite": describe_file(tmp_path / "secret.tflite").model_dump()}
    change(folder, lambda text: text["files"].update(lie))
    assert install(folder, tmp_path / "store") == 1
    assert "leads out of the model's folder" in capsys.readouterr().err


def test_a_store_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert install(DETECTOR, tmp_path / "file" / "store") == 1
    assert "cannot write" in capsys.readouterr().err
