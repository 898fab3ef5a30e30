"""Fine-tune a network on targets of which some are unknown, and go on where a run was cut off.

Import it only where a network is trained: it imports Keras. Any of Keras's backends will do (`KERAS_BACKEND`).
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

RATE, WEIGHT_DECAY = 3e-4, 0.02
AVERAGE = 0.99
"""Momentum of the running average of the weights, which is what is kept in the end."""

Batch = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]


class Fit:
    """One network's fine-tuning with AdamW, cosine decay and averaged weights, saved after each epoch.

    Args:
        model: changed in place; its layer `probs` is trained.
        total_steps: over all epochs.
        checkpoint: .npz file; where it exists, training continues from it.
        rate: factor on the learning rate.
        learn_norm: batch normalisation learns too; else it stays as ImageNet left it, which small batches would spoil.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        total_steps: int,
        checkpoint: Path,
        rate: float = 1.0,
        learn_norm: bool = False,
    ) -> None:
        self._checkpoint = checkpoint
        # The embedding's projection is fitted afterwards.
        self._learner = keras.Model(model.input, model.get_layer("probs").output)
        for layer in self._learner.layers:
            norm = isinstance(layer, keras.layers.BatchNormalization)
            layer.trainable = learn_norm or not norm
        self._optimizer = _optimizer(rate * RATE, total_steps)
        self._learner.compile(
            optimizer=self._optimizer, loss=_packed_loss, jit_compile=keras.backend.backend() == "jax"
        )
        self._optimizer.build(self._learner.trainable_variables)
        self.epochs_done = 0
        if checkpoint.is_file():
            self._restore()

    def run_epoch(self, batches: Iterable[Batch], *, report: Callable[[int, float], None]) -> float:
        """Learn from every batch once, save, and return the mean loss.

        Args:
            batches: crops uint8 (B, H, W, 3), targets and known f32 (B, 15); where known is 0 a target is ignored.
            report: told the number of each step and its loss.
        """
        losses = []
        for number, (images, targets, known) in enumerate(batches):
            loss = self._learner.train_on_batch(images, np.concatenate([targets, known], axis=1))
            losses.append(float(np.asarray(loss)))
            self._learner.reset_metrics()
            report(number, losses[-1])
        self.epochs_done += 1
        self._save()
        return float(np.mean(losses))

    def use_average(self) -> None:
        """Put the averaged weights into the model, once training is over."""
        self._optimizer.finalize_variable_values(self._learner.trainable_variables)

    def _state(self) -> list[keras.Variable]:
        return [*self._learner.variables, *self._optimizer.variables]

    def _save(self) -> None:
        arrays = {f"v{i}": variable.numpy() for i, variable in enumerate(self._state())}
        unfinished = self._checkpoint.with_suffix(".part.npz")
        np.savez(unfinished, epochs_done=self.epochs_done, **arrays)
        unfinished.replace(self._checkpoint)

    def _restore(self) -> None:
        with np.load(self._checkpoint) as saved:
            for i, variable in enumerate(self._state()):
                variable.assign(saved[f"v{i}"])
            self.epochs_done = int(saved["epochs_done"])


def masked_loss(targets: keras.KerasTensor, probs: keras.KerasTensor, known: keras.KerasTensor) -> keras.KerasTensor:
    """Return the binary cross-entropy (the paper's loss) per known label; all three are f32 (B, 15)."""
    ops = keras.ops
    probs = ops.clip(probs, 1e-6, 1 - 1e-6)
    each = -(targets * ops.log(probs) + (1 - targets) * ops.log(1 - probs))
    return ops.sum(each * known) / ops.maximum(ops.sum(known), 1.0)


def _packed_loss(packed: keras.KerasTensor, probs: keras.KerasTensor) -> keras.KerasTensor:
    """Return `masked_loss` where Keras hands over targets and known side by side, (B, 30)."""
    targets, known = keras.ops.split(packed, 2, axis=1)
    return masked_loss(targets, probs, known)


def _optimizer(rate: float, total_steps: int) -> keras.optimizers.AdamW:
    warm = max(1, total_steps // 20)
    decay = keras.optimizers.schedules.CosineDecay(
        rate * 0.05, max(1, total_steps - warm), alpha=0.0, warmup_target=rate, warmup_steps=warm
    )
    return keras.optimizers.AdamW(
        decay, weight_decay=WEIGHT_DECAY, global_clipnorm=5.0, use_ema=True, ema_momentum=AVERAGE
    )
