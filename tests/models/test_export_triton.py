"""The repository that `export triton` writes, read by the protocol's own message and by ONNX Runtime."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import tiny_classifier

from vestibule_models import export_triton
from vestibule_models.__main__ import main
from vestibule_models.artifact import ZOO, GarmentManifest, load_manifest
from vestibule_models.export_triton import _wait, config_text
from vestibule_models.serving_name import serving_name

model_config_pb2 = pytest.importorskip("tritonclient.grpc.model_config_pb2", reason="needs vestibule[kserve]")
text_format = pytest.importorskip("google.protobuf.text_format", reason="needs vestibule[kserve]")


def test_the_configuration_is_what_the_protocol_knows() -> None:
    manifest = load_manifest(ZOO / "garments-efflite0")
    assert isinstance(manifest, GarmentManifest)
    config = text_format.Parse(config_text(manifest, 2500), model_config_pb2.ModelConfig())
    assert config.name == serving_name(manifest) == f"garments-efflite0-v{manifest.version}"
    assert (config.backend, config.max_batch_size) == ("onnxruntime", 256)
    assert [(one.name, list(one.dims)) for one in config.input] == [("crops", [288, 144, 3])]
    assert {one.name: list(one.dims) for one in config.output} == {"probs": [15], "embedding": [128]}
    assert config.dynamic_batching.max_queue_delay_microseconds == 2500
    assert [one.batch_size for one in config.model_warmup] == [1, 64]


@pytest.mark.parametrize(("version", "name"), [("2", "tiny-v2"), ("2+onnx", "tiny-v2"), ("1.0 b/c", "tiny-v1.0-b-c")])
def test_a_served_model_is_named_with_its_version(version: str, name: str) -> None:
    shipped = load_manifest(ZOO / "garments-efflite0")
    assert isinstance(shipped, GarmentManifest)
    assert serving_name(shipped.model_copy(update={"name": "tiny", "version": version})) == name


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
def test_the_repository_answers_as_the_folder_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tf2onnx", reason="needs vestibule[onnx]")
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs vestibule[onnx]")
    folder = tiny_classifier.write(tmp_path / "tiny", litert=False)
    repository = tmp_path / "repository"
    assert main(["export", "triton", str(folder), "--out", str(repository)]) == 0
    assert "ONNX against Keras" in capsys.readouterr().out
    served = repository / "tiny-v1"
    config = text_format.Parse((served / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
    session = onnxruntime.InferenceSession(served / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == [one.name for one in config.input]
    assert {one.name for one in session.get_outputs()} == {one.name for one in config.output}
    crops = np.zeros((3, *config.input[0].dims), np.uint8)
    probs, embedding = session.run(["probs", "embedding"], {"crops": crops})
    assert probs.shape == (3, *config.output[0].dims)
    assert embedding.shape == (3, *config.output[1].dims)
    assert main(["export", "triton", str(folder), "--out", str(repository)]) == 1
    assert "is there already" in capsys.readouterr().err


def test_a_detector_is_not_served(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "triton", "person-mobilenet", "--out", str(tmp_path / "repository")]) == 1
    assert "only garment classifiers are served" in capsys.readouterr().err


def test_the_shipped_classifier_is_exported_by_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[argparse.Namespace] = []

    def noted(args: argparse.Namespace) -> int:
        asked.append(args)
        return 0

    monkeypatch.setattr(export_triton, "run", noted)
    assert main(["export", "--triton", str(tmp_path / "repository")]) == 0
    assert (asked[0].model, asked[0].out, asked[0].max_wait_us) == ("garments-efflite0", tmp_path / "repository", 5000)
    for arguments in ([], ["--triton", "x", "triton", "garments-efflite0", "--out", "y"]):
        assert main(["export", *arguments]) == 1
        assert "name what to export: one of garments, persons, formats, triton" in capsys.readouterr().err


def test_a_wait_beyond_reason_is_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="0 to 1000000"):
        _wait("2000000")
