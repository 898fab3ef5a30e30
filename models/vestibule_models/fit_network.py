"""Train a Keras network by `fit`, on any backend: saved each epoch, continued where it was cut off, stopped early.

Import it only where a network is trained: it imports Keras.
"""

import importlib.util
import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from keras import ops

from vestibule_models.artifact import ArtifactError
from vestibule_models.photo_batches import Batches

HISTORY = "history.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long and how fast to learn.

    Attributes:
        epochs: at most.
        rate: of Adam, at its peak; it rises over the first twentieth of all steps and falls along a cosine.
        patience: epochs without a lower validation loss after which training ends and the best epoch's weights are
            taken; 0 for all epochs and the last one's weights.
        seconds: after which no further epoch is begun; 0 for no limit.
    """

    epochs: int
    rate: float
    patience: int
    seconds: float = 0


def masked_crossentropy(targets: Any, answers: Any) -> Any:  # noqa: ANN401 - tensors of any backend
    """Return the mean binary cross-entropy of the labels that are known (targets from 0 to 1, -1 where unknown)."""
    answers = ops.clip(ops.cast(answers, "float32"), 1e-6, 1 - 1e-6)
    known = ops.cast(targets >= 0, "float32")
    each = -(targets * ops.log(answers) + (1 - targets) * ops.log(1 - answers))
    return ops.sum(each * known) / ops.maximum(ops.sum(known), 1.0)


def binary_accuracy(targets: Any, answers: Any) -> Any:  # noqa: ANN401 - tensors of any backend
    """Return the share of known labels that are told rightly at 0.5."""
    known = ops.cast(targets >= 0, "float32")
    right = ops.cast((targets >= 0.5) == (answers >= 0.5), "float32")  # noqa: PLR2004 - yes or no
    return ops.sum(right * known) / ops.maximum(ops.sum(known), 1.0)


def set_precision(wanted: str) -> str:
    """Set Keras's policy, and return its name.

    Args:
        wanted: float32, mixed_bfloat16, mixed_float16, or auto: mixed_bfloat16 where there is a GPU, else float32.
    """
    if wanted == "auto":
        # Backends call the same device gpu or cuda, but all of them call the processor cpu.
        others = [name for name in keras.distribution.list_devices() if not name.lower().startswith("cpu")]
        wanted = "mixed_bfloat16" if others else "float32"
    keras.mixed_precision.set_global_policy(wanted)
    return wanted


def compile_network(model: keras.Model, schedule: Schedule, *, steps: int, losses: dict[str, float] | str) -> None:
    """Compile for training.

    Args:
        model: changed in place.
        schedule: of the learning rate.
        steps: an epoch.
        losses: the weight of each output's loss, or the name of a Keras loss for a network of one output.
    """
    total = max(1, schedule.epochs * steps)
    warm = max(1, total // 20)
    rate = keras.optimizers.schedules.CosineDecay(
        schedule.rate * 0.05, max(1, total - warm), alpha=0.01, warmup_target=schedule.rate, warmup_steps=warm
    )
    optimizer = keras.optimizers.Adam(rate, clipnorm=1.0)
    if isinstance(losses, str):
        model.compile(optimizer, losses, metrics=["accuracy"])
    elif len(losses) == 1:
        model.compile(optimizer, masked_crossentropy, metrics=[binary_accuracy])
    else:
        model.compile(
            optimizer,
            dict.fromkeys(losses, masked_crossentropy),
            loss_weights=losses,
            metrics={"probs": [binary_accuracy]},
        )


def fit(
    model: keras.Model, train: Batches, val: Batches, *, folder: Path, schedule: Schedule
) -> list[dict[str, float]]:
    """Train until the epochs are done or nothing more is gained; leave the chosen weights in the model.

    Args:
        model: compiled and built; changed in place.
        train: told each epoch's number, so that a run that was cut off sees the photos that it would have seen.
        val: what early stopping looks at.
        folder: of checkpoints; where it holds some, training goes on from the last.
        schedule: as it was compiled with.

    Returns:
        Of each epoch its number, seconds, losses and metrics (Keras's names); those of earlier runs too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keeper = _Keeper(folder, schedule, train)
    model.optimizer.build(model.trainable_variables)
    done = len(keeper.history)
    if done:
        model.load_weights(keeper.state(done))
    train.start_at(done)  # Keras fetches the first batches before the first epoch begins
    if not keeper.is_over() and done < schedule.epochs:
        callbacks = [keeper, keras.callbacks.TerminateOnNaN(), *_tensorboard(folder)]
        shown = 1 if sys.stderr.isatty() else 2
        model.fit(
            train,
            validation_data=val,
            epochs=schedule.epochs,
            initial_epoch=done,
            callbacks=callbacks,
            verbose=shown,
            shuffle=False,  # the batches are drawn by seed and epoch; Keras would order them anew after a cut
        )
    if not keeper.history:
        raise ArtifactError(f"the loss became no number in the first epoch; try a --rate below {schedule.rate}")
    model.load_weights(keeper.state(keeper.best_epoch() if schedule.patience else len(keeper.history)))
    return keeper.history


class _Keeper(keras.callbacks.Callback):  # type: ignore[misc] # Keras ships no types
    """Saves weights, optimizer and history after each epoch; ends the training when nothing is gained any more.

    The history names the last epoch whose weights are whole: it is written after them.
    """

    def __init__(self, folder: Path, schedule: Schedule, train: Batches) -> None:
        super().__init__()
        self._train = train
        self._folder, self._patience = folder, schedule.patience
        self._began = time.monotonic()
        self._ends_at = time.monotonic() + schedule.seconds if schedule.seconds else math.inf
        path = folder / HISTORY
        self.history: list[dict[str, float]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []

    def state(self, epoch: int) -> Path:
        """Return where the weights after an epoch are, epochs counted from 1."""
        return self._folder / f"epoch{epoch:03}.weights.h5"

    def best_epoch(self) -> int:
        losses = [row["val_loss"] for row in self.history]
        return losses.index(min(losses)) + 1

    def is_over(self) -> bool:
        return bool(self._patience and self.history and len(self.history) - self.best_epoch() >= self._patience)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras's
        self._train.start_at(epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if not all(map(math.isfinite, (logs or {}).values())):
            self.model.stop_training = True
            return
        spent, self._began = time.monotonic() - self._began, time.monotonic()
        figures = {name: float(value) for name, value in (logs or {}).items()}
        self.history.append({"epoch": epoch + 1, "seconds": round(spent, 2), **figures})
        unfinished = self._folder / "unfinished.weights.h5"
        self.model.save_weights(unfinished)
        unfinished.replace(self.state(epoch + 1))
        part = self._folder / f"{HISTORY}.part"
        part.write_text(json.dumps(self.history, indent=1) + "\n", encoding="utf-8")
        part.replace(self._folder / HISTORY)
        for old in range(1, epoch + 1):
            if old != self.best_epoch():
                self.state(old).unlink(missing_ok=True)
        if self.is_over() or time.monotonic() > self._ends_at:
            self.model.stop_training = True


def _tensorboard(folder: Path) -> list[keras.callbacks.Callback]:
    if importlib.util.find_spec("tensorflow") is None:
        print("no TensorBoard logs: they are written by TensorFlow, which is not installed", file=sys.stderr)  # noqa: T201
        return []
    return [_EventLog(folder / "tensorboard")]


class _EventLog(keras.callbacks.Callback):  # type: ignore[misc] # Keras ships no types
    """Writes the scalars of each epoch for TensorBoard; Keras's own callback needs TensorBoard itself for that."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        import tensorflow as tf  # noqa: PLC0415 - with another backend it may be absent

        with tf.Graph().as_default():
            self._writer = tf.compat.v1.summary.FileWriter(str(folder))
        self._summary = tf.compat.v1.Summary

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        values = [self._summary.Value(tag=name, simple_value=float(value)) for name, value in (logs or {}).items()]
        self._writer.add_summary(self._summary(value=values), epoch + 1)
        self._writer.flush()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras's signature
        self._writer.close()
