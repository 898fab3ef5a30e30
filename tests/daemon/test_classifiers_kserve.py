"""The remote classifier against a real server of the protocol (the KServe SDK), frozen, killed and started again."""

import signal
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from fakes import Clock, crop
from inference_process import InferenceProcess, inference_server, needs_server
from mqtt_client import wait_until
from relay import make_certificate
from structlog.testing import capture_logs
from toyshop import ToyDetector, crossing, frames

from vestibule.classifiers import SHIPPED, build_classifier
from vestibule.classifiers.kserve import KserveClassifier, try_server
from vestibule.classifiers.litert import LitertClassifier
from vestibule.config import Settings
from vestibule.errors import ModelError
from vestibule.inline import run_inline
from vestibule.remote_sections import RemoteConfig
from vestibule.sections import CameraConfig, ClassifierConfig
from vestibule.stages import Models, build_stages
from vestibule.types import CropBatch, Frame, Message, Reading
from vestibule_models.artifact import GarmentManifest, load_manifest
from vestibule_models.serving_name import serving_name

PATIENT_MS = 10_000.0
"""The tests' machine may be busy; where the deadline matters, a test sets it."""


@pytest.fixture(scope="module")
def manifest() -> GarmentManifest:
    manifest = load_manifest(SHIPPED)
    assert isinstance(manifest, GarmentManifest)
    return manifest


@pytest.fixture(scope="module")
def local(manifest: GarmentManifest) -> LitertClassifier:
    return LitertClassifier(SHIPPED, manifest, threads=1)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("server") / "server.pem", "DNS:localhost,IP:127.0.0.1")


@pytest.fixture(scope="module")
def server(manifest: GarmentManifest, certificate: Path) -> Iterator[InferenceProcess]:
    """One for all tests: it takes seconds to start. Who kills it starts it again."""
    with inference_server(SHIPPED, serving_name(manifest), certificate) as running:
        yield running


def remote(address: str, local: LitertClassifier, **options: object) -> tuple[KserveClassifier, Clock]:
    clock = Clock(0.0)
    config = RemoteConfig.model_validate({"address": address, "deadline_ms": PATIENT_MS} | options)
    return KserveClassifier(config, local, clock=clock), clock


def batch(count: int) -> CropBatch:
    rng = np.random.default_rng(count)
    images = rng.integers(0, 256, (count, 288, 144, 3), np.uint8)
    return CropBatch(crops=tuple(crop(track_id=i, image=image) for i, image in enumerate(images)), images=images)


def same(readings: tuple[Reading, ...], others: tuple[Reading, ...]) -> bool:
    return [r.track_id for r in readings] == [o.track_id for o in others] and all(
        np.array_equal(r.probs, o.probs) and np.array_equal(r.embedding, o.embedding)
        for r, o in zip(readings, others, strict=True)
    )


def problems(log: list[MutableMapping[str, Any]]) -> list[str]:
    return [entry["problem"] for entry in log if entry["event"].startswith("inference server failed")]


@needs_server
def test_the_server_reads_every_crop_in_its_order(server: InferenceProcess, local: LitertClassifier) -> None:
    classifier, _ = remote(server.address, local)
    for count in (1, 3, 5):
        assert same(classifier.classify(batch(count)), local.classify(batch(count)))
    assert classifier.crops == {"server": 9, "box": 0}


@needs_server
def test_check_tries_one_crop(server: InferenceProcess, manifest: GarmentManifest) -> None:
    told = try_server(RemoteConfig(address=server.address), manifest)
    assert told.startswith(f"{server.address} serves garments-efflite0-v{manifest.version}, first answer after")


@needs_server
def test_a_server_killed_and_started_again_costs_no_reading(server: InferenceProcess, local: LitertClassifier) -> None:
    classifier, clock = remote(server.address, local)
    with capture_logs() as log:
        assert len(classifier.classify(batch(2))) == 2
        server.kill()
        try:
            for _ in range(5):  # the clock stands: the server rests, and is asked once only
                assert same(classifier.classify(batch(2)), local.classify(batch(2)))
            assert classifier.crops == {"server": 2, "box": 10}
            assert "cannot be reached; is it running" in str(classifier.problem)
        finally:
            server.start()

        def is_back() -> bool:
            clock.now_s += 60
            classifier.classify(batch(1))
            return classifier.crops["server"] == 3

        wait_until(is_back, "the server's first answer")
    assert classifier.problem is None
    assert len(problems(log)) == 1, "one line, however many batches fail"
    assert "cannot be reached" in problems(log)[0]
    assert [entry["event"] for entry in log].count("inference server answers") == 2


@needs_server
def test_a_frozen_server_holds_a_batch_up_once(server: InferenceProcess, local: LitertClassifier) -> None:
    classifier, clock = remote(server.address, local)
    classifier.classify(batch(1))
    server.send(signal.SIGSTOP)
    try:
        quick, _ = remote(server.address, local, deadline_ms=100)
        with capture_logs() as log:
            for _ in range(3):
                assert same(quick.classify(batch(2)), local.classify(batch(2)))
    finally:
        server.send(signal.SIGCONT)
    assert quick.crops == {"server": 0, "box": 6}
    assert len(problems(log)) == 1
    assert "no answer within the deadline" in problems(log)[0]
    clock.now_s += 60
    classifier.classify(batch(1))
    assert classifier.crops == {"server": 2, "box": 0}


@needs_server
@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("nan", "wanted finite float32 (2, 15); serve the right model"),
        ("other", "its manifest says uint8 (B, 288, 144, 3)"),
        ("absent-v9", "has no such model; serve it, or set [classifier.remote] model"),
    ],
)
def test_a_wrong_answer_is_not_believed(
    model: str, problem: str, server: InferenceProcess, local: LitertClassifier
) -> None:
    classifier, _ = remote(server.address, local, model=model)
    with capture_logs() as log:
        assert same(classifier.classify(batch(2)), local.classify(batch(2)))
    assert problem in problems(log)[0]
    with pytest.raises(ModelError, match=model):
        try_server(RemoteConfig(address=server.address, model=model), local.manifest)


@needs_server
def test_an_encrypted_server_is_checked(server: InferenceProcess, certificate: Path, manifest: GarmentManifest) -> None:
    trusted = RemoteConfig(address=server.tls_address, tls=True, ca_file=certificate)
    assert "first answer" in try_server(trusted, manifest)
    for config in (RemoteConfig(address=server.tls_address, tls=True), RemoteConfig(address=server.tls_address)):
        with pytest.raises(ModelError, match="cannot be reached; is it running, are address and tls right"):
            try_server(config, manifest)


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path, local: LitertClassifier) -> None:
    with pytest.raises(ModelError, match=r"none\.pem: No such file or directory; name a PEM file"):
        remote("127.0.0.1:9", local, tls=True, ca_file=tmp_path / "none.pem")


def test_rests_grow_while_the_server_is_away(local: LitertClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier, clock = remote("127.0.0.1:9", local)
    asked: list[float] = []
    infer = classifier._server.infer

    def noted(images: npt.NDArray[np.uint8], deadline_s: float) -> tuple[npt.NDArray[np.float32], ...]:
        asked.append(clock.now_s)
        return infer(images, deadline_s)

    monkeypatch.setattr(classifier._server, "infer", noted)
    for second in range(120):
        clock.now_s = float(second)
        classifier.classify(batch(1))
    gaps = np.diff(asked)
    assert 5 <= len(asked) <= 14
    assert gaps.max() <= 31
    assert gaps[-1] > gaps[0]


@needs_server
def test_a_recording_gives_the_same_events_with_a_server_that_dies(
    server: InferenceProcess, local: LitertClassifier
) -> None:
    alone = events(local)
    classifier, _ = remote(server.address, local)

    def dies(number: int) -> None:
        if number == 25:
            server.kill()

    try:
        assert events(classifier, dies) == alone
    finally:
        server.start()
    assert classifier.crops["server"] > 0
    assert classifier.crops["box"] > 0
    assert len(alone) > 2


def events(
    classifier: KserveClassifier | LitertClassifier, before_frame: Callable[[int], None] = lambda _: None
) -> list[bytes]:
    """What a recording of two people gives."""
    camera = CameraConfig(id="door", source="clip")
    settings = Settings(cameras=(camera,))
    stages = build_stages(settings, (camera,), Models(detector=ToyDetector(), classifier=classifier))
    published: list[Message] = []

    def film() -> Iterator[Frame]:
        for frame in frames(6, crossing("Dress", 0), crossing("Jeans", 1.5)):
            before_frame(frame.seq)
            yield frame

    run_inline(film(), stages, published.append)
    return [message.payload for message in published]


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"runtime": "kserve"}, "go together"),
        ({"remote": {"address": "gpu:8001"}}, "go together"),
        ({"runtime": "kserve", "remote": {"address": "http://gpu:8001/"}}, "address"),
        ({"runtime": "kserve", "remote": {"address": "gpu:8001", "ca_file": "ca.pem"}}, "tls is not"),
        ({"runtime": "kserve", "remote": {"address": "gpu:8001", "tls": True, "key_file": "k"}}, "go together"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(section: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ClassifierConfig.model_validate(section)


def test_without_the_client_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "tritonclient" else object())
    config = ClassifierConfig(runtime="kserve", remote=RemoteConfig(address="gpu:8001"))
    with pytest.raises(ModelError, match=r'pip install "vestibule\[kserve\]"'):
        build_classifier(config)
