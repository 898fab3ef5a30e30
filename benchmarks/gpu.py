"""Crops and frames a second of the two networks on TensorFlow or JAX, by batch size, as on a box with a GPU.

    python benchmarks/gpu.py [--networks classifier detector] [--batches 1 2 ... 256] [--seconds 2]
    KERAS_BACKEND=jax python benchmarks/gpu.py

On TensorFlow it is the daemon's own code: *XLA* and *float16* are `xla` and `mixed_precision` of `[classifier]` and
`[detector]`. Where there is no TensorFlow, or KERAS_BACKEND says so, it is the same networks through Keras on JAX,
which always compiles with XLA; the daemon itself has no such runtime. Runs on the first GPU that is seen, else on the
CPU, and says on which. Padding and the copies to and from the device are counted; tracing, compiling and fitting
pictures are not. GFLOP/s is what convolutions and dense layers take (counted by Keras's shapes), times the rate: beside
the card's own figure it says how near the arithmetic is to its limit. On the CPU, seconds are those of processor time,
as other programs run beside it.
"""

import argparse
import importlib.util
import os
import time
from collections.abc import Callable
from typing import Any

if importlib.util.find_spec("tensorflow") is None:
    os.environ.setdefault("KERAS_BACKEND", "jax")  # before Keras is imported

import keras
import numpy as np
import numpy.typing as npt
from measuring import machine, table

from vestibule_models.artifact import ZOO, GarmentManifest, InputSpec, load_manifest, model_path
from vestibule_models.networks import person_mobilenet

CLASSIFIER, DETECTOR = ZOO / "garments-efflite0", ZOO / "person-mobilenet"
BATCHES = {"classifier": (1, 2, 4, 8, 16, 32, 64, 128, 256), "detector": (1, 2, 4, 8, 16)}
UNITS = {"classifier": "crop", "detector": "frame"}
Run = Callable[[npt.NDArray[np.uint8]], object]


def network(which: str) -> tuple[keras.Model, InputSpec]:
    """Return a shipped network and its input."""
    if which == "classifier":
        manifest = load_manifest(CLASSIFIER)
        return keras.models.load_model(model_path(CLASSIFIER, manifest, ".keras"), compile=False), manifest.input
    manifest = load_manifest(DETECTOR)
    spec = manifest.input
    model = person_mobilenet.load(model_path(DETECTOR, manifest, ".keras"), spec.height, spec.width)
    return person_mobilenet.with_scores(model), spec


def on_tensorflow(which: str, most: int, changes: dict[str, bool]) -> Run:
    """Return what the daemon runs."""
    from vestibule.classifiers.tensorflow import TensorflowClassifier  # noqa: PLC0415 - not where JAX alone is
    from vestibule.detectors.tensorflow import TensorflowNetwork  # noqa: PLC0415 - likewise
    from vestibule.types import Crop, CropBatch  # noqa: PLC0415 - likewise

    if which == "detector":
        manifest = load_manifest(DETECTOR)
        kinds = {"xla": False, "mixed_precision": False, **changes}
        path = model_path(DETECTOR, manifest, ".keras")
        return TensorflowNetwork(path, manifest.input, most_frames=most, **kinds).infer
    manifest = load_manifest(CLASSIFIER)
    if not isinstance(manifest, GarmentManifest):
        raise SystemExit(f"{CLASSIFIER} is no garment classifier")
    classifier = TensorflowClassifier(CLASSIFIER, manifest, max_crops=most, **changes)

    def classify(images: npt.NDArray[np.uint8]) -> object:
        crops = (Crop(camera_id="c", track_id=n, captured_at_s=0.0, quality=1.0, image=i) for n, i in enumerate(images))
        return classifier.classify(CropBatch(crops=tuple(crops), images=images))

    return classify


def on_jax(which: str, changes: dict[str, bool]) -> Run:
    """Return the same network, compiled by JAX for each size that comes."""
    import jax  # noqa: PLC0415 - where it is asked for

    from vestibule.mixed_precision import in_mixed_precision  # noqa: PLC0415 - sets Keras's backend

    model, _ = network(which)
    if changes.get("mixed_precision"):
        model = in_mixed_precision(model)
    weights = [[one.value for one in kind] for kind in (model.trainable_variables, model.non_trainable_variables)]
    step = jax.jit(lambda trained, others, images: model.stateless_call(trained, others, images, training=False)[0])
    return lambda images: jax.tree.map(np.asarray, step(*weights, images))


def rate(run: Run, images: npt.NDArray[np.uint8], seconds: float, clock_s: Callable[[], float]) -> float:
    """Return pictures a second after a warm-up."""
    run(images)
    began_s, done = clock_s(), 0
    while (passed_s := clock_s() - began_s) < seconds or not done:
        run(images)
        done += len(images)
    return done / passed_s


def gflop(model: keras.Model) -> float:
    """Return 10^9 multiplications and additions of the convolutions and dense layers, for one picture."""
    total = 0.0
    for layer in model._flatten_layers(include_self=False):  # noqa: SLF001 - Keras has no public way to all of them
        if isinstance(layer, keras.layers.DepthwiseConv2D | keras.layers.Conv2D | keras.layers.Dense):
            places = np.prod(layer.output.shape[1:-1]) if len(layer.output.shape) > 2 else 1  # noqa: PLR2004 - (B, C)
            total += 2.0 * float(places) * float(np.prod(layer.weights[0].shape))
    return total / 1e9


def gpu_name() -> str:
    """Return the name of the GPU that the networks run on; nothing if it is the CPU."""
    if keras.backend.backend() == "jax":
        import jax  # noqa: PLC0415 - where it is asked for

        gpus: list[Any] = [one for one in jax.devices() if one.platform == "gpu"]
        return str(gpus[0].device_kind) if gpus else ""
    import tensorflow as tf  # noqa: PLC0415 - likewise

    gpus = tf.config.list_physical_devices("GPU")
    return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "a GPU")) if gpus else ""


def measured(which: str, batches: tuple[int, ...], seconds: float, clock_s: Callable[[], float]) -> str:
    """Return the table of one network."""
    jax_runs = keras.backend.backend() == "jax"
    kinds: dict[str, dict[str, bool]] = {"plain": {}, "float16": {"mixed_precision": True}}
    if not jax_runs:
        kinds = {**kinds, "XLA": {"xla": True}, "XLA, float16": {"xla": True, "mixed_precision": True}}
    model, spec = network(which)
    work, unit, rates = gflop(model), UNITS[which], []
    images = np.random.default_rng(0).integers(0, 256, (max(batches), spec.height, spec.width, 3), np.uint8)
    for changes in kinds.values():
        run = on_jax(which, changes) if jax_runs else on_tensorflow(which, max(batches), changes)
        rates.append([rate(run, images[:size], seconds, clock_s) for size in batches])
    rows = [
        [size, *(f"{one:.0f}" for one in row), f"{max(row) * work:.1f}"]
        for size, *row in zip(batches, *rates, strict=True)
    ]
    header = ["batch", *(f"{kind}, {unit}s/s" for kind in kinds), "GFLOP/s of the fastest"]
    return f"{which}, {work:.2f} GFLOP a {unit}\n\n{table(header, rows)}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=list(BATCHES), default=list(BATCHES))
    parser.add_argument("--batches", type=int, nargs="+", help="instead of 1 to 256 crops and 1 to 16 frames")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each size and kind (default %(default)s)")
    args = parser.parse_args()
    gpu = gpu_name()
    where = machine(gpu or "no GPU is seen here, so that these figures say nothing of one", "all cores")
    print(f"Keras {keras.__version__} on {keras.backend.backend()}; {where}")
    clock_s = time.perf_counter if gpu else time.process_time
    for which in args.networks:
        print(f"\n{measured(which, tuple(args.batches or BATCHES[which]), args.seconds, clock_s)}", flush=True)


if __name__ == "__main__":
    main()
