"""Trains the person detector on frames composed as it goes. Stops and resumes at any checkpoint."""

import argparse
import json
import math
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vestibule_models.artifact import ArtifactError, InputSpec, model_path
from vestibule_models.evaluate_persons import load_detector, network_of
from vestibule_models.persons_compose import FrameSize, compose
from vestibule_models.persons_hard import repeat_hard
from vestibule_models.persons_sources import Sources, load_sources

CHECKPOINT = "checkpoint.npz"
SPEC = InputSpec(height=160, width=288, colour="rgb", dtype="uint8", resize="letterbox-top-left", pad_value=114)
"""What it is trained at; 16:9, but for a column of padding."""
_HEAD_RATE, _BACKBONE_RATE = 1.5e-3, 3e-4
"""Peak learning rates: the heads are new, the backbone knows ImageNet."""
_WARM_UP_STEPS = 150
_AVERAGE_DECAY = 0.998
_SAVE_EVERY_STEPS = 200
_REPORT_EVERY_STEPS = 25


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `vestibule-models train --task persons`."""
    parser.add_argument("--data", type=Path, required=True, help="folder of persons-v1 and garments-v1")
    start = parser.add_mutually_exclusive_group(required=True)
    start.add_argument("--imagenet", type=Path, help="start from MobileNetV2's ImageNet weights (.weights.h5)")
    start.add_argument("--start-from", type=Path, metavar="MODEL", help="go on from a detector made by this command")
    parser.add_argument("--rate", type=float, default=1.0, help="factor on the learning rates (default %(default)s)")
    parser.add_argument(
        "--hard",
        type=int,
        default=0,
        metavar="TIMES",
        help="with --start-from: show so many times what that detector gets wrong (default: once, as the rest)",
    )
    parser.add_argument("--sprites", type=Path, help="folder of rendered people with index.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint; resumed if there is one")
    parser.add_argument("--steps", type=int, default=3000, help="batches in all (default %(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="frames of a batch (default %(default)s)")
    parser.add_argument("--seed", type=int, default=20261123, help="of frames and weights (default %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Train to the last step, saving on the way."""
    import cv2  # noqa: PLC0415 - set up only where a training runs

    if args.hard and not args.start_from:
        raise ArtifactError("--hard shows more often what a detector gets wrong: name it with --start-from")
    cv2.setNumThreads(1)
    sources = load_sources(args.data, args.sprites, "train", np.random.default_rng(args.seed))
    _say({"sources": {field.name: len(getattr(sources, field.name)) for field in fields(sources)}})
    if args.hard:
        threshold = load_detector(args.start_from).score_threshold
        sources, hard = repeat_hard(sources, network_of(args.start_from), threshold, times=args.hard, seed=args.seed)
        _say({"hard": hard})
    args.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(
        args.imagenet or model_path(args.start_from, load_detector(args.start_from), ".keras"),
        args.out / CHECKPOINT,
        seed=args.seed,
        steps=args.steps,
        peak=args.rate,
    )
    trainer.resume()
    while trainer.step < args.steps:
        trainer.train_on(*batch(sources, args.seed, trainer.step, args.batch))
        if trainer.step % _SAVE_EVERY_STEPS == 0 or trainer.step == args.steps:
            trainer.save()
    return 0


def batch(sources: Sources, seed: int, step: int, size: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Compose the frames of one step, the same ones whenever it is asked for.

    Returns:
        uint8 (size, height, width, 3) RGB and float32 (size, MOST_TARGETS, 5).
    """
    rng = np.random.default_rng([seed, step])
    frame = FrameSize(height=SPEC.height, width=SPEC.width, pad_value=SPEC.pad_value)
    images, targets = zip(*(compose(sources, frame, rng) for _ in range(size)), strict=True)
    return np.stack(images), np.stack(targets)


class Trainer:
    """The network, its optimisers and the running average of its weights, which is what gets exported.

    Args:
        start: MobileNetV2's ImageNet weights, or a detector's .keras to go on from. The batch norms of the latter go on
            normalising by what they did; their scale and shift learn.
        checkpoint: where everything is saved.
        seed: of the new weights.
        steps: batches in all, for the learning rate's cosine.
        peak: factor on the learning rates.
    """

    def __init__(self, start: Path, checkpoint: Path, *, seed: int, steps: int, peak: float = 1.0) -> None:
        import keras  # noqa: PLC0415 - TensorFlow is imported only where a network is trained
        import tensorflow as tf  # noqa: PLC0415

        from vestibule_models.networks import person_mobilenet  # noqa: PLC0415
        from vestibule_models.persons_loss import DetectionLoss  # noqa: PLC0415

        keras.utils.set_random_seed(seed)
        self.step = 0
        self._steps, self._checkpoint, self._peak = steps, checkpoint, peak
        self._goes_on = start.suffix == ".keras"
        if self._goes_on:
            self.network = person_mobilenet.load(start, SPEC.height, SPEC.width)
        else:
            self.network = person_mobilenet.build(SPEC.height, SPEC.width)
            person_mobilenet.load_imagenet(self.network, start)
        person_mobilenet.freeze_early(self.network)
        known = {v.path for layer in self.network.layers if layer.name.startswith("block_") for v in layer.variables}
        trained = self.network.trainable_variables
        self._groups = ([v for v in trained if v.path not in known], [v for v in trained if v.path in known])
        self._optimisers = tuple(keras.optimizers.AdamW(0.0, weight_decay=1e-3) for _ in self._groups)
        for optimiser, variables in zip(self._optimisers, self._groups, strict=True):
            optimiser.build(variables)
        self._average = [v.numpy().copy() for v in self.network.variables]
        self._loss = DetectionLoss(SPEC, person_mobilenet.STRIDES)
        self._update = tf.function(self._one_step)
        self._sums, self._since = np.zeros(3), time.monotonic()

    def _one_step(self, images, targets):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - traced by TensorFlow
        import tensorflow as tf  # noqa: PLC0415

        with tf.GradientTape() as tape:
            parts = self._loss(self.network(images, training=not self._goes_on), targets)
            total = tf.reduce_sum(parts)
        gradients = tape.gradient(total, [v.value for group in self._groups for v in group])
        gradients, _ = tf.clip_by_global_norm(gradients, 20.0)
        first = len(self._groups[0])
        self._optimisers[0].apply(gradients[:first], self._groups[0])
        self._optimisers[1].apply(gradients[first:], self._groups[1])
        return parts

    def train_on(self, images: npt.NDArray[np.uint8], targets: npt.NDArray[np.float32]) -> None:
        """Take one step; print the loss now and then."""
        for optimiser, peak in zip(self._optimisers, (_HEAD_RATE, _BACKBONE_RATE), strict=True):
            optimiser.learning_rate.assign(self._peak * peak * rate(self.step, self._steps))
        parts = self._update(images, targets).numpy()
        if not np.isfinite(parts).all():
            raise FloatingPointError(f"the loss became {parts.tolist()} at step {self.step}; resume with other --seed")
        decay = min(_AVERAGE_DECAY, (1 + self.step) / (10 + self.step))
        for kept, variable in zip(self._average, self.network.variables, strict=True):
            np.add(kept, (1 - decay) * (variable.numpy() - kept), out=kept)
        self.step += 1
        self._sums += parts
        if self.step % _REPORT_EVERY_STEPS == 0:
            mean, spent = self._sums / _REPORT_EVERY_STEPS, time.monotonic() - self._since
            loss = dict(zip(("box", "objectness", "person"), mean.round(3).tolist(), strict=True))
            _say({"step": self.step, **loss, "seconds": round(spent, 1)})
            self._sums, self._since = np.zeros(3), time.monotonic()

    def _state(self) -> list[npt.NDArray[np.float32]]:
        moments = [variable for optimiser in self._optimisers for variable in optimiser.variables]
        return [v.numpy() for v in [*self.network.variables, *moments]] + self._average

    def save(self) -> None:
        """Write the checkpoint; a crash leaves the one before."""
        temporary = self._checkpoint.with_suffix(".tmp.npz")
        arrays: dict[str, Any] = {f"v{number:04}": array for number, array in enumerate(self._state())}
        np.savez(temporary, step=self.step, **arrays)
        temporary.replace(self._checkpoint)

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if not self._checkpoint.is_file():
            return
        with np.load(self._checkpoint) as saved:
            self.step = int(saved["step"])
            arrays = [saved[name] for name in sorted(saved.files) if name != "step"]
        moments = [variable for optimiser in self._optimisers for variable in optimiser.variables]
        targets = [*self.network.variables, *moments]
        for variable, array in zip(targets, arrays, strict=False):
            variable.assign(array)
        self._average = arrays[len(targets) :]
        _say({"resumed_at": self.step})


def averaged_weights(checkpoint: Path, count: int) -> tuple[int, list[npt.NDArray[np.float32]]]:
    """Read the running average of the network's `count` weights, and the step it is of.

    Raises:
        FileNotFoundError: there is no checkpoint.
    """
    with np.load(checkpoint) as saved:
        names = sorted(name for name in saved.files if name != "step")[-count:]
        return int(saved["step"]), [saved[name] for name in names]


def rate(step: int, steps: int) -> float:
    """Return the share of the peak learning rate: warm-up, then a cosine to 1 %."""
    if step < _WARM_UP_STEPS:
        return (step + 1) / _WARM_UP_STEPS
    done = (step - _WARM_UP_STEPS) / max(1, steps - _WARM_UP_STEPS)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def _say(what: dict[str, object]) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201 - a command's report
