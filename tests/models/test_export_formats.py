"""Every format answers as Keras does, takes uint8 and any batch, and is refused where it does not."""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest
import tiny_classifier
from fakes import crop

pytest.importorskip("tensorflow", reason="needs TensorFlow (the extra `tensorflow`)")

from vestibule.classifiers import build_classifier
from vestibule.sections import ClassifierConfig
from vestibule.types import CropBatch
from vestibule_models import export_formats
from vestibule_models.__main__ import main
from vestibule_models.artifact import ZOO, GarmentManifest, load_manifest, model_path
from vestibule_models.export_formats import drawn
from vestibule_models.formats_compare import Difference, difference, exceeded
from vestibule_models.litert_runner import Answers

pytestmark = [
    # Keras 3 on NumPy 2, nothing of ours.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
FORMATS = ["float32", "float16", "int8", "savedmodel", "onnx"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_classifier.write(tmp_path_factory.mktemp("models") / "tiny", litert=False)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crops")
    tiny_classifier.draw_pictures(folder, 60)
    return folder


def export(model: Path, wanted: str, out: Path, *more: str) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converters use what TensorFlow and NumPy deprecate
        return main(["export", "formats", str(model), "--format", wanted, "--out", str(out), *more])


@pytest.fixture(scope="module")
def written(model: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("variants")
    usable = [f for f in FORMATS if f != "onnx" or importlib.util.find_spec("tf2onnx")]
    for wanted in usable:
        assert export(model, wanted, folder / wanted, "--calibration", str(pictures)) == 0
    return {wanted: folder / wanted for wanted in usable}


@pytest.mark.parametrize("wanted", FORMATS)
def test_the_manifest_says_how_far_a_variant_is_from_keras(written: dict[str, Path], wanted: str) -> None:
    if wanted not in written:
        pytest.skip("tf2onnx is not installed: vestibule[onnx]")
    manifest = load_manifest(written[wanted])
    assert manifest.version == f"1+{wanted}"
    assert manifest.provenance["format"] == wanted
    assert manifest.provenance["architecture"] == "tiny"
    assert manifest.provenance["pictures_compared"] == 30
    assert manifest.provenance["pictures_calibrated"] == (30 if wanted == "int8" else 0)
    most = {"int8": 0.2, "float16": 1e-2}.get(wanted, 1e-3)
    assert (
        0
        <= float(manifest.provenance["difference_probs_mean"])
        <= float(manifest.provenance["difference_probs_max"])
        <= most
    )
    assert manifest.files
    for name in manifest.files:
        assert model_path(written[wanted], manifest, name).is_file()


def test_int8_is_smaller_and_differs_while_float32_does_not(written: dict[str, Path]) -> None:
    bytes_of = {name: sum(f.bytes for f in load_manifest(folder).files.values()) for name, folder in written.items()}
    assert bytes_of["float16"] < bytes_of["float32"]
    off = {name: load_manifest(folder).provenance["difference_probs_max"] for name, folder in written.items()}
    assert float(off["int8"]) > 1e-4 > float(off["float32"])


@pytest.mark.parametrize("wanted", ["float32", "float16", "int8"])
def test_the_daemon_runs_the_variant(model: Path, written: dict[str, Path], wanted: str) -> None:
    import keras  # noqa: PLC0415 - only where it is installed

    config = ClassifierConfig.model_validate({"runtime": "litert", "model": written[wanted]})
    classifier = build_classifier(config)
    assert classifier.manifest.input.dtype == "uint8"
    images = drawn(5, tiny_classifier.SPEC)
    expected = np.asarray(keras.models.load_model(model / "model.keras")(images)["probs"])
    assert np.ptp(expected, axis=0).max() > 0.02
    for size in (5, 1, 3):
        crops = tuple(crop(n + 1, image=image) for n, image in enumerate(images[:size]))
        readings = classifier.classify(CropBatch(crops=crops, images=images[:size]))
        got = np.stack([reading.probs for reading in readings])
        np.testing.assert_allclose(got, expected[:size], atol=0.1 if wanted == "int8" else 1e-3)
        for reading in readings:  # re-identification compares by angle and relies on the length
            assert np.linalg.norm(reading.embedding) == pytest.approx(1, abs=1e-3)


def test_too_large_a_difference_is_refused_unless_forced(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    strict = Difference(probs_max=1e-9, probs_mean=1.0, embedding_max=2.0, embedding_mean=2.0)
    monkeypatch.setitem(export_formats.BOUNDS, "float32", strict)
    assert export(model, "float32", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert "probs_max is" in said
    assert "over 1e-09" in said
    assert "--force" in said
    assert list(tmp_path.iterdir()) == []
    assert export(model, "float32", tmp_path / "out", "--force") == 0
    assert "although probs_max" in capsys.readouterr().out
    assert isinstance(load_manifest(tmp_path / "out"), GarmentManifest)


def fault(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["export", "formats", *arguments]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_int8_wants_pictures_and_enough_of_them(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = (str(model), "--format", "int8", "--out", str(tmp_path / "out"))
    assert "int8 needs --calibration" in fault(capsys, *asked)
    few = tmp_path / "few"
    tiny_classifier.draw_pictures(few, 39)
    assert "holds 39 pictures; --calibration needs 40" in fault(capsys, *asked, "--calibration", str(few))
    tiny_classifier.draw_pictures(few, 40)
    (few / "crop007.png").write_bytes(b"no picture")
    assert "crop007.png" in fault(capsys, *asked, "--calibration", str(few))
    assert "no such folder" in fault(capsys, *asked, "--calibration", str(tmp_path / "nowhere"))
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_converted_is_said_in_a_line(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--format", "float32", "--out", str(tmp_path))
    assert "is there already" in fault(capsys, str(model), *out)
    new = ("--format", "float32", "--out", str(tmp_path / "new"))
    assert "shipped are" in fault(capsys, "nothing-like-it", *new)
    assert "is a person-detector" in fault(capsys, str(ZOO / "person-mobilenet"), *new)


def test_onnx_without_its_extra(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tf2onnx", None)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", type(export_formats)("onnxruntime"))
    said = fault(capsys, str(model), "--format", "onnx", "--out", str(tmp_path / "out"))
    assert 'ONNX needs tf2onnx; pip install "vestibule[onnx]"' in said


def test_differences_by_hand() -> None:
    one = Answers(probs=np.array([[0.5, 0.1]], np.float32), embeddings=np.array([[1, 0]], np.float32))
    other = Answers(probs=np.array([[0.25, 0.1]], np.float32), embeddings=np.array([[0.6, 0.8]], np.float32))
    found = difference(one, other)
    assert (found.probs_max, found.probs_mean) == pytest.approx((0.25, 0.125))
    assert (found.embedding_max, found.embedding_mean) == pytest.approx((0.4, 0.4))
    assert exceeded(found, found) == ""
    bound = Difference(probs_max=0.2, probs_mean=0.2, embedding_max=0.2, embedding_mean=0.5)
    assert exceeded(found, bound) == "probs_max is 0.25, over 0.2, embedding_max is 0.4, over 0.2"
    broken = Answers(probs=np.array([[np.nan, 0]], np.float32), embeddings=other.embeddings)
    assert "probs_max is nan" in exceeded(difference(one, broken), bound)
