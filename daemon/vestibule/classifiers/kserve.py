"""The classifier on a server that many boxes share, by the Open Inference Protocol (KServe v2) over gRPC.

A server that is slow, away or answers nonsense costs accuracy or speed, never an alert: the box's own classifier
takes every batch that the server has not answered within the deadline, and all of them while the server rests.

The protocol: https://github.com/kserve/open-inference-protocol, "ModelMetadata" and "ModelInfer".
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import structlog

from vestibule.classifiers import Ran
from vestibule.classifiers.litert import LitertClassifier
from vestibule.classifiers.readings import output_order, to_readings, wanted_shapes
from vestibule.errors import ModelError
from vestibule.remote_sections import RemoteConfig
from vestibule.types import CropBatch, Reading
from vestibule_models.artifact import GarmentManifest
from vestibule_models.labels import LABELS
from vestibule_models.letterbox import as_input
from vestibule_models.serving_name import serving_name

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its C++ core writes to standard error past our log
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

_FIRST_REST_S, _LONGEST_REST_S = 1.0, 30.0
_TRIES = 2
"""A refused call is tried once more within its deadline: behind one address may be several servers."""
_CHECK_S = 5.0
_CHANNEL = [("grpc.initial_reconnect_backoff_ms", 500), ("grpc.max_reconnect_backoff_ms", 5000)]
"""gRPC itself would wait up to two minutes before it connects again."""

log = structlog.get_logger()

Answer = TypeVar("Answer")


class KserveClassifier:
    """Asks the server, and the box's own classifier where that fails.

    Args:
        config: the server.
        local: takes over; its manifest says what the server's model must take and give, and holds the thresholds.
        clock: seconds that only grow.

    Attributes:
        crops: how many were classified where.
        problem: why the server is not asked now, with the remedy; None while it answers, or was never asked.

    Raises:
        ModelError: a certificate or key cannot be read.
    """

    def __init__(
        self, config: RemoteConfig, local: LitertClassifier, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.manifest = local.manifest
        self.runtime = f"kserve at {config.address}"
        self.crops: Counter[Ran] = Counter({"server": 0, "box": 0})
        self._server = InferenceServer(config, local.manifest)
        self._local, self._clock = local, clock
        self._deadline_s = config.deadline_ms / 1000
        self._rests_until_s, self._rest_s = float("-inf"), _FIRST_REST_S
        self._answered = False
        self.problem: str | None = None

    def classify(self, batch: CropBatch) -> tuple[Reading, ...]:
        """Return one reading per crop, in order; never waits longer for the server than the deadline."""
        answer = self._ask(batch) if self._clock() >= self._rests_until_s else None
        self.crops["box" if answer is None else "server"] += len(batch.crops)
        return self._local.classify(batch) if answer is None else to_readings(batch, *answer)

    def _ask(self, batch: CropBatch) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | None:
        try:
            answer = self._server.infer(batch.images, self._deadline_s)
        except ModelError as error:
            # Spread, lest all boxes come back to a server at once; nothing secret hangs on it.
            self._rests_until_s = self._clock() + random.uniform(self._rest_s / 2, self._rest_s)  # noqa: S311
            self._rest_s = min(2 * self._rest_s, _LONGEST_REST_S)
            if self.problem is None:
                log.warning("inference server failed; this box classifies meanwhile", problem=str(error))
            self.problem = f"this box classifies alone: {error}"
            return None
        if self.problem is not None or not self._answered:
            log.info("inference server answers", address=self._server.address, model=self._server.model)
        self._answered, self.problem, self._rest_s = True, None, _FIRST_REST_S
        return answer


class InferenceServer:
    """One model of one server.

    Raises:
        ModelError: a certificate or key cannot be read.
    """

    def __init__(self, config: RemoteConfig, manifest: GarmentManifest) -> None:
        self.address = config.address
        self.model = config.model or serving_name(manifest)
        self._manifest = manifest
        self._tensors: tuple[str, str, str] | None = None  # input, probs, embedding
        files = (config.ca_file, config.cert_file, config.key_file)
        for file in files:
            try:
                if file is not None:
                    file.read_bytes()
            except OSError as error:
                raise ModelError(f"[classifier.remote] {file}: {error.strerror}; name a PEM file") from error
        ca_file, cert_file, key_file = (None if file is None else str(file) for file in files)
        self._client = triton.InferenceServerClient(
            config.address,
            ssl=config.tls,
            root_certificates=ca_file,
            private_key=key_file,
            certificate_chain=cert_file,
            channel_args=_CHANNEL,
        )

    def infer(
        self, images: npt.NDArray[np.uint8], deadline_s: float
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Classify uint8 (B, h, w, 3); returns float32 (B, 15) `probs` and (B, D) embeddings.

        Raises:
            ModelError: no answer in time, no such model, or one that does not fit the manifest.
        """
        until_s = time.monotonic() + deadline_s
        input_name, *output_names = self._names(until_s)
        fed = as_input(images, self._manifest.input)
        tensor = triton.InferInput(input_name, list(fed.shape), "UINT8" if fed.dtype == np.uint8 else "FP32")
        tensor.set_data_from_numpy(fed)
        wanted = [triton.InferRequestedOutput(name) for name in output_names]
        result = self._call(
            until_s, lambda left_s: self._client.infer(self.model, [tensor], outputs=wanted, client_timeout=left_s)
        )
        probs, embeddings = (result.as_numpy(name) for name in output_names)
        self._examine(probs, (len(images), len(LABELS)))
        self._examine(embeddings, (len(images), self._manifest.embedding_size))
        if probs.min() < 0 or probs.max() > 1:
            raise ModelError(f"{self._who()} gave scores from {probs.min():g} to {probs.max():g}; they must be 0 to 1")
        return probs, embeddings

    def _names(self, until_s: float) -> tuple[str, str, str]:
        """Return the names of the input, `probs` and the embedding, asked for once and again after a failure."""
        if self._tensors is None:
            told = self._call(
                until_s, lambda left_s: self._client.get_model_metadata(self.model, client_timeout=left_s)
            )
            shapes = [list(output.shape) for output in told.outputs]
            order = output_order(shapes, self._manifest)
            spec = self._manifest.input
            inputs = [(one.datatype, list(one.shape)[1:]) for one in told.inputs]
            fits = inputs == [("UINT8" if spec.dtype == "uint8" else "FP32", [spec.height, spec.width, 3])]
            if not fits or order is None:
                raise ModelError(f"{self._who()} takes {inputs} and gives {shapes}; {wanted_shapes(self._manifest)}")
            self._tensors = (told.inputs[0].name, *(told.outputs[i].name for i in order))
        return self._tensors

    def _call(self, until_s: float, call: Callable[[float], Answer]) -> Answer:
        """Call with what is left of the deadline, once more where nobody took the call."""
        for tries_left in reversed(range(_TRIES)):
            left_s = until_s - time.monotonic()
            try:
                if left_s <= 0:
                    break
                return call(left_s)
            except InferenceServerException as error:
                if error.status() == "StatusCode.UNAVAILABLE" and tries_left:
                    continue
                self._tensors = None
                raise ModelError(f"{self._who()}: {_explain(error)}") from error
        raise ModelError(f"{self._who()}: no answer within the deadline; raise [classifier.remote] deadline_ms")

    def _examine(self, answer: npt.NDArray[np.float32] | None, shape: tuple[int, int]) -> None:
        if answer is None or answer.shape != shape or answer.dtype != np.float32 or not np.isfinite(answer).all():
            found = "nothing" if answer is None else f"{answer.dtype} {answer.shape}"
            raise ModelError(f"{self._who()} answered {found}, wanted finite float32 {shape}; serve the right model")

    def _who(self) -> str:
        return f"inference server {self.address}, model {self.model}"


def _explain(error: InferenceServerException) -> str:
    """Say in one line what a status of gRPC means and what to do."""
    match error.status():
        case "StatusCode.UNAVAILABLE":
            return "cannot be reached; is it running, are address and tls right?"
        case "StatusCode.DEADLINE_EXCEEDED":
            return "no answer within the deadline; it is overloaded or far away: raise [classifier.remote] deadline_ms"
        case "StatusCode.NOT_FOUND":
            return "has no such model; serve it, or set [classifier.remote] model"
        case status:
            first = str(error.message() or "").splitlines()
            return f"{status} {first[0] if first else ''}".strip()


def try_server(config: RemoteConfig, manifest: GarmentManifest) -> str:
    """Have the server classify one blank crop, and say in one line that it went well.

    Raises:
        ModelError: it cannot be reached, or its model does not fit.
    """
    server = InferenceServer(config, manifest)
    began_s = time.monotonic()
    server.infer(np.full((1, manifest.input.height, manifest.input.width, 3), 114, np.uint8), _CHECK_S)
    took_ms = 1000 * (time.monotonic() - began_s)
    return f"{server.address} serves {server.model}, first answer after {took_ms:.0f} ms"
