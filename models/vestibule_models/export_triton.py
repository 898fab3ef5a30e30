"""Write a garment classifier as a model repository of NVIDIA Triton: ONNX, checked against Keras, and its config.pbtxt.

Layout and settings: Triton's "Model Repository" and "Model Configuration" pages, and the `ModelConfig` message of its
protocol. Triton's TensorFlow backend is gone; ONNX Runtime's takes its place.
"""

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path

from vestibule_models.artifact import ArtifactError, GarmentManifest, load_manifest, model_folder, save_manifest
from vestibule_models.export_formats import BOUNDS, DRAWN, drawn, load_keras, write
from vestibule_models.formats_compare import exceeded
from vestibule_models.labels import LABELS
from vestibule_models.serving_name import serving_name
from vestibule_models.staging import new_folder

MAX_BATCH = 256
"""As many crops as a box may send at once (`batching.max_crops`)."""
_LONGEST_WAIT_US = 1_000_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `export triton`."""
    parser.description = "Write a model repository for NVIDIA Triton, which many boxes may share."
    parser.add_argument("model", help="model folder with a .keras file, or the name of a shipped model")
    parser.add_argument("--out", type=Path, required=True, help="repository to write; must not exist")
    parser.add_argument(
        "--max-wait-us", type=_wait, default=5000, help="how long the server gathers crops of several boxes (5000)"
    )


def _wait(text: str) -> int:
    wait_us = int(text)
    if not 0 <= wait_us <= _LONGEST_WAIT_US:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to {_LONGEST_WAIT_US} microseconds")
    return wait_us


def run(args: argparse.Namespace) -> int:
    """Convert, compare, and write the repository if the answers are Keras's."""
    source = model_folder(args.model)
    manifest = load_manifest(source)
    if not isinstance(manifest, GarmentManifest):
        raise ArtifactError(f"model {source} is a {manifest.kind}; only garment classifiers are served")
    name = serving_name(manifest)
    with new_folder(args.out) as repository, tempfile.TemporaryDirectory() as scratch:
        converted = Path(scratch)
        found = write(
            load_keras(source, manifest),
            manifest,
            "onnx",
            converted,
            drawn(0, manifest.input),
            drawn(DRAWN, manifest.input),
        )
        if over := exceeded(found, BOUNDS["onnx"]):
            raise ArtifactError(f"ONNX of {manifest.name}: {over}; nothing written")
        version = repository / name / "1"
        version.mkdir(parents=True)
        (version / "model.onnx").write_bytes((converted / "model.onnx").read_bytes())
        (repository / name / "config.pbtxt").write_text(config_text(manifest, args.max_wait_us), encoding="utf-8")
        save_manifest(repository / name, manifest)
    text = ", ".join(f"{what} {value:.2g}" for what, value in asdict(found).items())
    print(f"{args.out}/{name}: ONNX against Keras on {DRAWN} pictures: {text}")  # noqa: T201 - the answer
    return 0


def config_text(manifest: GarmentManifest, max_wait_us: int) -> str:
    """Return config.pbtxt: batches gathered across boxes, and warmed up so that the first one is no slower.

    Args:
        manifest: of the network.
        max_wait_us: microseconds that a crop may wait for others.
    """
    spec = manifest.input
    dims = f"{spec.height}, {spec.width}, 3"
    dtype = "TYPE_UINT8" if spec.dtype == "uint8" else "TYPE_FP32"
    blank = f'key: "crops" value {{ data_type: {dtype} dims: [ {dims} ] zero_data: true }}'
    return f"""\
# {manifest.name}, version {manifest.version}; written by `vestibule-models export triton`.
name: "{serving_name(manifest)}"
backend: "onnxruntime"
max_batch_size: {MAX_BATCH}
input [ {{ name: "crops" data_type: {dtype} dims: [ {dims} ] }} ]
output [
  {{ name: "probs" data_type: TYPE_FP32 dims: [ {len(LABELS)} ] }},
  {{ name: "embedding" data_type: TYPE_FP32 dims: [ {manifest.embedding_size} ] }}
]
dynamic_batching {{
  preferred_batch_size: [ 16, 32, 64 ]
  max_queue_delay_microseconds: {max_wait_us}
}}
model_warmup [
  {{ name: "one" batch_size: 1 inputs {{ {blank} }} }},
  {{ name: "many" batch_size: 64 inputs {{ {blank} }} }}
]
"""
