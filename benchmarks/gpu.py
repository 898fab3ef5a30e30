"""Crops a second of the garment classifier on TensorFlow, by batch size, as on a box with a GPU.

    python benchmarks/gpu.py [--batches 1 2 ... 256] [--seconds 2]

Runs on the first GPU that TensorFlow sees, else on the CPU, and says on which. *XLA* and *float16* are
`[classifier] xla` and `mixed_precision`. Padding and the copies to and from the device are counted, tracing is not.
GFLOP/s is what the convolutions and dense layers of a crop take (counted by Keras's shapes), times crops/s: beside the
card's own figure it says how near the arithmetic is to its limit.
"""

import argparse
import time

import keras
import numpy as np
import tensorflow as tf
from measuring import machine, table

from vestibule.classifiers import SHIPPED
from vestibule.classifiers.tensorflow import TensorflowClassifier
from vestibule.types import Crop, CropBatch
from vestibule_models.artifact import GarmentManifest, load_manifest, model_path

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def batch_of(count: int, manifest: GarmentManifest) -> CropBatch:
    """Return crops of noise."""
    spec = manifest.input
    images = np.random.default_rng(0).integers(0, 256, (count, spec.height, spec.width, 3), np.uint8)
    crops = (Crop(camera_id="c", track_id=n, captured_at_s=0.0, quality=1.0, image=i) for n, i in enumerate(images))
    return CropBatch(crops=tuple(crops), images=images)


def crops_per_s(classifier: TensorflowClassifier, batch: CropBatch, seconds: float) -> float:
    """Return the rate after a warm-up."""
    classifier.classify(batch)
    began_s, done = time.perf_counter(), 0
    while (passed_s := time.perf_counter() - began_s) < seconds or not done:
        classifier.classify(batch)
        done += len(batch.crops)
    return done / max(passed_s, time.perf_counter() - began_s)


def gflop_a_crop(manifest: GarmentManifest) -> float:
    """Return 10^9 multiplications and additions of the convolutions and dense layers, for one crop."""
    model = keras.models.load_model(model_path(SHIPPED, manifest, ".keras"), compile=False)
    total = 0.0
    for layer in model._flatten_layers(include_self=False):  # noqa: SLF001 - Keras has no public way to all of them
        if isinstance(layer, keras.layers.DepthwiseConv2D | keras.layers.Conv2D | keras.layers.Dense):
            places = np.prod(layer.output.shape[1:-1]) if len(layer.output.shape) > 2 else 1  # noqa: PLR2004 - (B, C)
            total += 2.0 * float(places) * float(np.prod(layer.weights[0].shape))
    return total / 1e9


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--seconds", type=float, default=2.0)
    args = parser.parse_args()
    manifest = load_manifest(SHIPPED)
    if not isinstance(manifest, GarmentManifest):
        raise SystemExit(f"{SHIPPED} is no garment classifier")
    gpus = tf.config.list_physical_devices("GPU")
    where = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "a GPU") if gpus else "the CPU"
    print(f"on {where}{'' if gpus else ': no GPU is seen here, so these figures say nothing of one'}; {machine()}")
    kinds = {"plain": {}, "XLA": {"xla": True}, "float16": {"mixed_precision": True}}
    kinds["XLA, float16"] = {"xla": True, "mixed_precision": True}
    work, rates = gflop_a_crop(manifest), []
    for changes in kinds.values():
        classifier = TensorflowClassifier(SHIPPED, manifest, max_crops=max(args.batches), **changes)
        rates.append([crops_per_s(classifier, batch_of(size, manifest), args.seconds) for size in args.batches])
    rows = [
        [size, *(f"{rate:.0f}" for rate in row), f"{max(row) * work:.1f}"]
        for size, *row in zip(args.batches, *rates, strict=True)
    ]
    print(f"{work:.2f} GFLOP a crop\n")
    print(table(["batch", *(f"{kind}, crops/s" for kind in kinds), "GFLOP/s of the fastest"], rows))


if __name__ == "__main__":
    main()
