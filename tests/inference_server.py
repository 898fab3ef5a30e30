"""A server of the Open Inference Protocol for tests: the KServe SDK around a model folder, on the loopback.

Runs in an environment of its own (`make .venv-server`):

    python inference_server.py FOLDER NAME CERTIFICATE PORT TLS_PORT

Beside NAME it serves `nan`, which answers with no numbers, and `other`, which answers in another shape.
The SDK's own `ModelServer` listens on all interfaces, so its parts are put together here.
"""

import argparse
import asyncio
import sys
from pathlib import Path

import numpy as np
from grpc import aio, ssl_server_credentials
from kserve import InferInput, InferOutput, InferRequest, InferResponse, Model, ModelRepository
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc
from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor
from kserve.protocol.grpc.servicer import InferenceServicer
from kserve.protocol.model_repository_extension import ModelRepositoryExtension

from vestibule_models.litert_runner import LiteRTRunner


class Garments(Model):  # type: ignore[misc]  # lies in the other environment
    """The folder's network, under a name."""

    def __init__(self, name: str, folder: Path, answer: str) -> None:
        super().__init__(name)
        self._runner, self._answer = LiteRTRunner(folder), answer
        self.ready = True

    def get_input_types(self) -> list[dict[str, object]]:
        spec = self._runner.manifest.input
        return [{"name": "crops", "datatype": "UINT8", "shape": [-1, spec.height, spec.width, 3]}]

    def get_output_types(self) -> list[dict[str, object]]:
        width = 7 if self._answer == "other" else len(self._runner.manifest.labels)
        size = self._runner.manifest.embedding_size
        return [
            {"name": "embedding", "datatype": "FP32", "shape": [-1, size]},
            {"name": "probs", "datatype": "FP32", "shape": [-1, width]},
        ]

    def predict(self, payload: InferRequest, headers: dict[str, str] | None = None) -> InferResponse:
        del headers
        crops: InferInput = payload.inputs[0]
        answers = self._runner.run(crops.as_numpy())
        probs = answers.probs * (np.nan if self._answer == "nan" else 1)
        outputs = []
        for name, values in (("embedding", answers.embeddings), ("probs", probs)):
            output = InferOutput(name, list(values.shape), "FP32")
            output.set_data_from_numpy(np.ascontiguousarray(values, np.float32))
            outputs.append(output)
        return InferResponse(response_id=payload.id, model_name=self.name, infer_outputs=outputs)


async def serve(args: argparse.Namespace) -> None:
    """Serve until killed; writes its ports once it can be asked."""
    repository = ModelRepository()
    for name, answer in ((args.name, "right"), ("nan", "nan"), ("other", "other")):
        repository.update(Garments(name, args.folder, answer))
    server = aio.server(
        interceptors=(ExceptionToStatusInterceptor(),), options=[("grpc.max_receive_message_length", 64 << 20)]
    )
    grpc_predict_v2_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(
        InferenceServicer(DataPlane(model_registry=repository), ModelRepositoryExtension(repository)), server
    )
    port = server.add_insecure_port(f"127.0.0.1:{args.port}")
    pem = args.certificate.read_bytes()
    tls_port = server.add_secure_port(f"127.0.0.1:{args.tls_port}", ssl_server_credentials([(pem, pem)]))
    await server.start()
    print(port, tls_port, flush=True)  # noqa: T201 - whoever started it reads this
    await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    parser.add_argument("certificate", type=Path, help="PEM, with its key")
    parser.add_argument("port", type=int)
    parser.add_argument("tls_port", type=int)
    sys.exit(asyncio.run(serve(parser.parse_args())))
