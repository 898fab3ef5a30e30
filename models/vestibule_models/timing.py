"""Measure how many crops a second the networks of the literature manage on this CPU, through LiteRT."""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vestibule_models import records

if TYPE_CHECKING:
    import keras

NETWORKS = ("vgg16_paper", "lenet5", "alexnet", "landmark_attention", "efficientnet_lite0")
BATCHES = (1, 16)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("networks", nargs="*", default=list(NETWORKS), help=f"of {', '.join(NETWORKS)} (all)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="the fastest counts (%(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures here too")


def run(args: argparse.Namespace) -> int:
    """Print a line a network; random weights are as fast as trained ones."""
    figures: dict[str, Any] = {}
    for name in args.networks:
        figures[name] = measure(build(name), threads=args.threads, rounds=args.rounds)
        print(name, json.dumps(figures[name]), flush=True)  # noqa: T201 - the command's answer
    if args.json:
        report = {"machine": records.machine(), "threads": args.threads, "networks": figures}
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def build(name: str) -> "keras.Model":
    """Return a network by its name, with its answers to the 15 categories as the only output.

    Raises:
        ArtifactError: no network has that name.
    """
    import keras  # noqa: PLC0415 - TensorFlow is paid for only where a network is converted

    from vestibule_models.artifact import ArtifactError  # noqa: PLC0415
    from vestibule_models.networks import (  # noqa: PLC0415 - see above
        alexnet,
        efficientnet_lite,
        landmark_attention,
        lenet5,
        vgg16_paper,
    )

    match name:
        case "vgg16_paper":
            return vgg16_paper.build()
        case "lenet5":
            return lenet5.build(15, answers="sigmoid")
        case "alexnet":
            return alexnet.build()
        case "landmark_attention":
            model = landmark_attention.build(attributes=12, landmarks=8)
        case "efficientnet_lite0":
            model = efficientnet_lite.fuse(efficientnet_lite.build())
        case _:
            raise ArtifactError(f"no network is named {name!r}; there are {', '.join(NETWORKS)}")
    return keras.Model(model.input, model.output["probs"], name=name)


def measure(model: "keras.Model", *, threads: int, rounds: int) -> dict[str, float]:
    """Return crops a second at each batch size, and the bytes of the float16 file."""
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - the help needs no runtime

    content = _to_tflite(model)
    figures: dict[str, float] = {"tflite_float16_bytes": len(content)}
    interpreter = Interpreter(model_content=content, num_threads=threads)
    place = interpreter.get_input_details()[0]["index"]
    for batch in BATCHES:
        shape = (batch, *model.input_shape[1:])
        interpreter.resize_tensor_input(place, shape)
        interpreter.allocate_tensors()
        crops = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        seconds = []
        for _ in range(rounds + 1):
            interpreter.set_tensor(place, crops)
            began = time.perf_counter()
            interpreter.invoke()
            seconds.append(time.perf_counter() - began)
        figures[f"batch{batch}"] = round(batch / min(seconds[1:]), 2)
    return figures


def _to_tflite(model: "keras.Model") -> bytes:
    import tensorflow as tf  # noqa: PLC0415 - see build

    photos = tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8, name="photos")
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, input_signature=[photos], verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        return bytes(converter.convert())
