"""Batches of crops in, readings out, on either runtime; and what is said of a model that does not fit."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from fakes import crop

import vestibule.classifiers
from vestibule.classifiers import SHIPPED, Classifier, build_classifier, choose_runtime
from vestibule.classifiers.readings import output_order
from vestibule.errors import ModelError
from vestibule.sections import ClassifierConfig
from vestibule.types import CropBatch
from vestibule_models.artifact import (
    DetectorManifest,
    GarmentManifest,
    InputSpec,
    Thresholds,
    describe_file,
    load_manifest,
    save_manifest,
)
from vestibule_models.labels import LABELS

if TYPE_CHECKING:
    from vestibule.classifiers.tensorflow import TensorflowClassifier

# Keras 3 on TensorFlow reads its variables in a way that NumPy 2 frowns upon.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

RUNTIMES = ["litert", "tensorflow"]
SIZE = 16
"""Of the tiny network's embedding."""


def tiny_manifest(folder: Path, **changes: object) -> GarmentManifest:
    fields: dict[str, object] = {
        "schema_version": 1,
        "name": "tiny",
        "version": "1",
        "kind": "garment-classifier",
        "input": InputSpec(height=32, width=16, colour="rgb", dtype="uint8", resize="letterbox-centre"),
        "labels": LABELS,
        "embedding_size": SIZE,
        "same_person_distance": 0.3,
        "thresholds": {label: Thresholds(positives=30, likely=0.5, certain=0.8) for label in LABELS},
        "files": {path.name: describe_file(path) for path in folder.glob("model.*")},
    }
    return GarmentManifest.model_validate(fields | changes)


@pytest.fixture(scope="session")
def tf() -> ModuleType:
    module: ModuleType = pytest.importorskip("tensorflow", reason="TensorFlow is not installed: vestibule[tensorflow]")
    return module


Outputs = Callable[[object, object], object]
"""(probs, embedding) -> what the network returns."""


def tiny(tf: ModuleType, folder: Path, outputs: Outputs, *, dtype: str = "uint8", batch: int | None = None) -> Path:
    """Export a network of random weights that looks at each pixel, in both formats."""
    import keras  # noqa: PLC0415 - comes with TensorFlow

    keras.utils.set_random_seed(1)
    layers = keras.layers
    crops = keras.Input((32, 16, 3), batch_size=batch, dtype=dtype)
    x = layers.Rescaling(1 / 127.5, -1)(crops) if dtype == "uint8" else crops
    x = layers.Conv2D(8, 4, 4, activation="relu")(x)
    x = layers.Flatten()(x) if batch is None else keras.ops.reshape(x, (batch, 8 * 4 * 8))
    probs = layers.Dense(len(LABELS), activation="sigmoid")(x)
    embedding = layers.UnitNormalization()(layers.Dense(SIZE)(x))
    folder.mkdir()
    model = keras.Model(crops, outputs(probs, embedding))
    model.save(folder / "model.keras")
    flat = keras.Model(crops, [probs, embedding])
    (folder / "model.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(flat).convert())
    save_manifest(folder, tiny_manifest(folder))
    return folder


@pytest.fixture(scope="session")
def model(tf: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tf, tmp_path_factory.mktemp("models") / "tiny", lambda probs, embedding: [probs, embedding])


@pytest.fixture
def damaged(model: Path, tmp_path: Path) -> Path:
    """A copy of the model to spoil."""
    return Path(shutil.copytree(model, tmp_path / "copy"))


def load(folder: Path, runtime: str = "litert") -> Classifier:
    return build_classifier(ClassifierConfig.model_validate({"runtime": runtime, "model": folder}))


def batch_of(count: int, *, height: int = 32, width: int = 16, seed: int = 0) -> CropBatch:
    """Crops of coarse colour patches."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (count, height // 8, width // 8, 3), dtype=np.uint8)
    images = coarse.repeat(8, axis=1).repeat(8, axis=2)
    crops = [crop(n + 1, camera_id=f"camera-{n % 3}", image=image, at_s=n / 10) for n, image in enumerate(images)]
    return CropBatch(crops=tuple(crops), images=images)


def fault(folder: Path, runtime: str = "litert") -> str:
    """What is said when the folder is loaded: one line."""
    with pytest.raises(ModelError) as error:
        load(folder, runtime)
    said = str(error.value)
    assert "\n" not in said
    return said


# ---- readings


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_each_crop_gets_its_own_reading(model: Path, runtime: str) -> None:
    classifier, batch = load(model, runtime), batch_of(5)
    assert classifier.runtime == runtime
    assert classifier.manifest == load_manifest(model)
    readings = classifier.classify(batch)
    assert [(r.camera_id, r.track_id, r.captured_at_s, r.quality) for r in readings] == [
        (c.camera_id, c.track_id, c.captured_at_s, c.quality) for c in batch.crops
    ]
    for reading, one in zip(readings, batch.crops, strict=True):
        (alone,) = classifier.classify(CropBatch(crops=(one,), images=one.image[np.newaxis]))
        np.testing.assert_allclose(reading.probs, alone.probs, atol=1e-5)
        np.testing.assert_allclose(reading.embedding, alone.embedding, atol=1e-5)
    assert np.ptp([r.probs for r in readings], axis=0).max() > 0.05  # the crops do differ


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_probabilities_are_shares_and_embeddings_of_unit_length(model: Path, runtime: str) -> None:
    for reading in load(model, runtime).classify(batch_of(7)):
        assert reading.probs.shape == (15,)
        assert reading.embedding.shape == (SIZE,)
        assert [reading.probs.dtype.name, reading.embedding.dtype.name] == ["float32", "float32"]
        assert ((reading.probs >= 0) & (reading.probs <= 1)).all()
        assert np.linalg.norm(reading.embedding) == pytest.approx(1, abs=1e-5)
        assert not reading.probs.flags.writeable
        assert not reading.embedding.flags.writeable


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_size_of_the_batch_may_change(model: Path, runtime: str) -> None:
    classifier, everything = load(model, runtime), batch_of(16)
    wanted = [r.probs for r in classifier.classify(everything)]
    for size in (1, 3, 16, 2, 1):
        batch = CropBatch(crops=everything.crops[:size], images=everything.images[:size])
        readings = classifier.classify(batch)
        assert len(readings) == size
        np.testing.assert_allclose([r.probs for r in readings], wanted[:size], atol=1e-5)


def test_earlier_readings_stay_what_they_were(model: Path) -> None:
    """LiteRT computes in place; what it gave out must not change with the next batch."""
    classifier = load(model)
    (first,) = classifier.classify(batch_of(1))
    before = first.probs.copy()
    classifier.classify(batch_of(1, seed=5))
    np.testing.assert_array_equal(first.probs, before)


def agree(folder: Path, batch: CropBatch) -> float:
    """The largest difference between the two runtimes."""
    one, other = (load(folder, runtime).classify(batch) for runtime in RUNTIMES)
    pairs = list(zip(one, other, strict=True))
    assert len(pairs) == len(batch.crops) > 0
    return max(
        float(np.abs(a - b).max()) for x, y in pairs for a, b in ((x.probs, y.probs), (x.embedding, y.embedding))
    )


def test_both_runtimes_agree(model: Path) -> None:
    assert agree(model, batch_of(16)) < 1e-3


@pytest.mark.parametrize(
    "outputs",
    [
        lambda probs, embedding: {"probs": probs, "embedding": embedding},
        lambda probs, embedding: {"embedding": embedding, "probs": probs},
        lambda probs, embedding: (embedding, probs),
    ],
    ids=["named", "named-the-other-way-round", "embedding-first"],
)
def test_keras_networks_may_return_a_dictionary_or_any_order(tf: ModuleType, tmp_path: Path, outputs: Outputs) -> None:
    assert agree(tiny(tf, tmp_path / "model", outputs), batch_of(3)) < 1e-3


def test_networks_of_floats_are_fed_as_their_manifest_says(tf: ModuleType, model: Path, tmp_path: Path) -> None:
    """The same weights without the scaling inside: the manifest's scaling must give the same answers."""
    floats = tiny(tf, tmp_path / "model", lambda probs, embedding: [probs, embedding], dtype="float32")
    spec = InputSpec(
        height=32,
        width=16,
        colour="rgb",
        dtype="float32",
        resize="letterbox-centre",
        mean=(127.5, 127.5, 127.5),
        scale=1 / 127.5,
    )
    save_manifest(floats, tiny_manifest(floats, input=spec))
    batch = batch_of(4)
    wanted = [r.probs for r in load(model).classify(batch)]
    for runtime in RUNTIMES:
        np.testing.assert_allclose([r.probs for r in load(floats, runtime).classify(batch)], wanted, atol=1e-4)


def test_outputs_of_one_width_cannot_be_told_apart(model: Path) -> None:
    manifest = tiny_manifest(model)
    assert output_order([[1, 15], [1, 16]], manifest) == (0, 1)
    assert output_order([[1, 16], [1, 15]], manifest) == (1, 0)
    assert output_order([[1, 15]], manifest) is None
    assert output_order([[1, 15], []], manifest) is None
    assert output_order([[1, 15], [None, 16], [1, 16]], manifest) is None
    assert output_order([[1, 15], [1, 15]], tiny_manifest(model, embedding_size=15)) is None


# ---- models that do not fit


def test_a_missing_folder(tmp_path: Path) -> None:
    said = fault(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in said
    assert "manifest.json" in said


def test_a_folder_without_a_manifest(damaged: Path) -> None:
    (damaged / "manifest.json").unlink()
    assert "cannot read manifest.json" in fault(damaged)


def test_a_manifest_that_is_not_json(damaged: Path) -> None:
    (damaged / "manifest.json").write_text("{")
    assert "manifest.json" in fault(damaged)


FILES = [("litert", "model.tflite"), ("tensorflow", "model.keras")]


@pytest.mark.parametrize(("runtime", "name"), FILES)
def test_a_missing_file(damaged: Path, runtime: str, name: str) -> None:
    (damaged / name).unlink()
    said = fault(damaged, runtime)
    assert f"{damaged / name} is missing" in said
    assert "install" in said


@pytest.mark.parametrize(("runtime", "name"), FILES)
def test_a_file_of_another_hash(damaged: Path, runtime: str, name: str) -> None:
    with (damaged / name).open("ab") as file:
        file.write(b"\0")
    said = fault(damaged, runtime)
    assert str(damaged / name) in said
    assert "SHA-256" in said


@pytest.mark.parametrize(("runtime", "name"), FILES)
def test_a_model_without_a_file_for_the_runtime(damaged: Path, runtime: str, name: str) -> None:
    (damaged / name).unlink()
    save_manifest(damaged, tiny_manifest(damaged))
    assert f"has no .{name.split('.')[1]} file" in fault(damaged, runtime)


@pytest.mark.parametrize(("runtime", "name"), FILES)
@pytest.mark.parametrize("content", [b"not a network", b"PK\x03\x04"], ids=["text", "zip"])
def test_a_file_that_is_no_network(damaged: Path, runtime: str, name: str, content: bytes) -> None:
    (damaged / name).write_bytes(content)
    save_manifest(damaged, tiny_manifest(damaged))
    said = fault(damaged, runtime)
    assert str(damaged / name) in said
    assert "cannot load" in said


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    "changes",
    [
        {"input": InputSpec(height=64, width=16, colour="rgb", dtype="uint8", resize="letterbox-centre")},
        {"input": InputSpec(height=16, width=32, colour="rgb", dtype="uint8", resize="letterbox-centre")},
        {"input": InputSpec(height=32, width=16, colour="rgb", dtype="float32", resize="letterbox-centre")},
        {"embedding_size": 17},
        {"embedding_size": 15},
    ],
    ids=["higher", "transposed", "dtype", "embedding", "embedding-like-probs"],
)
def test_a_network_of_another_shape(damaged: Path, runtime: str, changes: dict[str, object]) -> None:
    save_manifest(damaged, tiny_manifest(damaged, **changes))
    said = fault(damaged, runtime)
    assert "its manifest says" in said
    assert "export it again" in said


@pytest.mark.parametrize(
    "outputs",
    [
        lambda probs, _: probs,
        lambda probs, embedding: {"probs": embedding, "embedding": probs},
        lambda probs, embedding: {"garments": probs, "embedding": embedding},
        lambda probs, embedding: [probs, embedding, probs],
    ],
    ids=["one", "swapped-names", "other-names", "three"],
)
def test_a_keras_network_of_other_outputs(tf: ModuleType, tmp_path: Path, outputs: Outputs) -> None:
    assert "its manifest says" in fault(tiny(tf, tmp_path / "model", outputs), "tensorflow")


def test_a_network_that_takes_one_crop_at_a_time_only(tf: ModuleType, tmp_path: Path) -> None:
    fixed = tiny(tf, tmp_path / "model", lambda probs, embedding: [probs, embedding], batch=1)
    assert "one crop at a time" in fault(fixed, "litert")
    assert "its manifest says" in fault(fixed, "tensorflow")


def test_a_detector_is_no_classifier(damaged: Path) -> None:
    manifest = DetectorManifest(
        schema_version=1,
        kind="person-detector",
        name="finder",
        version="1",
        input=InputSpec(height=32, width=16, colour="bgr", dtype="uint8", resize="letterbox-top-left"),
        files={"model.tflite": describe_file(damaged / "model.tflite")},
        decoder="yolox",
        classes=1,
        person_class=0,
    )
    save_manifest(damaged, manifest)
    said = fault(damaged)
    assert "is a person-detector" in said
    assert "[classifier] model" in said


# ---- the runtime


def without_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorflow" else real(name))


def test_tensorflow_asked_for_and_not_installed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_tensorflow(monkeypatch)
    said = fault(model, "tensorflow")
    assert "TensorFlow is not installed" in said
    assert 'pip install "vestibule[tensorflow]"' in said


def test_auto_is_litert_where_tensorflow_is_not_installed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_tensorflow(monkeypatch)
    assert load(model, "auto").runtime == "litert"


@pytest.mark.parametrize(("gpu", "wanted"), [(True, "tensorflow"), (False, "litert")])
def test_auto_is_tensorflow_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch, *, gpu: bool, wanted: str) -> None:
    monkeypatch.setattr(vestibule.classifiers, "has_gpu", lambda: gpu)
    assert choose_runtime("auto") == wanted


def test_what_is_asked_for_by_name_is_taken(tf: ModuleType) -> None:
    assert tf is not None
    assert choose_runtime("litert") == "litert"
    assert choose_runtime("tensorflow") == "tensorflow"


def test_litert_never_imports_tensorflow(model: Path) -> None:
    program = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from vestibule.classifiers import build_classifier\n"
        "from vestibule.sections import ClassifierConfig\n"
        "from vestibule.types import Crop, CropBatch\n"
        "classifier = build_classifier(ClassifierConfig(runtime='litert', model=Path(sys.argv[1])))\n"
        "image = np.zeros((32, 16, 3), np.uint8)\n"
        "crop = Crop(camera_id='a', track_id=1, captured_at_s=0.0, quality=1.0, image=image)\n"
        "assert len(classifier.classify(CropBatch(crops=(crop,), images=image[None]))) == 1\n"
        "print(sorted(n for n in ('tensorflow', 'keras', 'jax', 'torch') if n in sys.modules))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(model)], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "[]\n"


# ---- the shipped model

shipped = pytest.mark.skipif(not SHIPPED.is_dir(), reason=f"the shipped classifier {SHIPPED.name} is not in the zoo")


@shipped
def test_the_shipped_model_is_what_is_loaded_by_default() -> None:
    classifier = build_classifier(ClassifierConfig(runtime="litert"))
    assert classifier.manifest.name == SHIPPED.name
    spec = classifier.manifest.input
    (reading,) = classifier.classify(batch_of(1, height=spec.height, width=spec.width))
    assert np.linalg.norm(reading.embedding) == pytest.approx(1, abs=1e-4)


def people(count: int, height: int, width: int) -> CropBatch:
    """Painted people: skin, hair and clothes of many colours, soft light, the noise of a camera."""
    random, images = np.random.default_rng(4), []
    for _ in range(count):
        image = np.full((height, width, 3), random.integers(60, 200, 3), np.uint8)
        hair, skin, upper, lower = (tuple(map(int, random.integers(20, 240, 3))) for _ in range(4))
        x, sway = width // 2 + int(random.integers(-8, 9)), int(random.integers(10, 20))
        cv2.rectangle(image, (x - sway, height // 2), (x + sway, height - 30), lower, cv2.FILLED)
        cv2.ellipse(image, (x, height // 3), (28, 58), 0, 0, 360, upper, cv2.FILLED)
        cv2.circle(image, (x, height // 9), 17, hair, cv2.FILLED)
        cv2.ellipse(image, (x, height // 9 + 5), (11, 14), 0, 0, 360, skin, cv2.FILLED)
        light = np.linspace(0.7, 1.2, width)[None, :, None]
        noisy = cv2.GaussianBlur(image, (0, 0), 1.2) * light + random.normal(0, 4, image.shape)
        images.append(noisy.clip(0, 255).astype(np.uint8))
    crops = tuple(crop(n + 1, image=image) for n, image in enumerate(images))
    return CropBatch(crops=crops, images=np.stack(images))


@shipped
def test_the_shipped_models_runtimes_agree(tf: ModuleType) -> None:
    assert tf is not None
    spec = load_manifest(SHIPPED).input
    assert agree(SHIPPED, people(8, spec.height, spec.width)) < 1e-3


# ---- TensorFlow: graphs for a GPU, tried on the CPU


def on_tensorflow(folder: Path, **changes: object) -> "TensorflowClassifier":
    from vestibule.classifiers.tensorflow import TensorflowClassifier  # noqa: PLC0415 - needs TensorFlow

    manifest = load_manifest(folder)
    assert isinstance(manifest, GarmentManifest)
    return TensorflowClassifier(folder, manifest, **changes)  # type: ignore[arg-type]


def test_a_batch_larger_than_expected_is_read_in_parts_with_the_same_answers(model: Path) -> None:
    batch = batch_of(11)
    large, small = (on_tensorflow(model, max_crops=most).classify(batch) for most in (16, 4))
    assert [reading.track_id for reading in small] == [reading.track_id for reading in large]
    for one, other in zip(small, large, strict=True):
        np.testing.assert_allclose(one.probs, other.probs, atol=1e-5)


@pytest.mark.parametrize(("changes", "tolerance"), [({"xla": True}, 1e-4), ({"mixed_precision": True}, 0.02)])
def test_compiled_or_in_16_bits_it_reads_the_same(model: Path, changes: dict[str, bool], tolerance: float) -> None:
    batch = batch_of(3)
    plain = on_tensorflow(model, max_crops=4).classify(batch)
    for one, other in zip(on_tensorflow(model, max_crops=4, **changes).classify(batch), plain, strict=True):
        assert one.probs.dtype == one.embedding.dtype == np.float32
        np.testing.assert_allclose(one.probs, other.probs, atol=tolerance)
        np.testing.assert_allclose(one.embedding, other.embedding, atol=tolerance)
