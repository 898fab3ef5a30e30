"""Fine-tune a network on targets of which some are unknown, and go on where a run was cut off.

Import it only where a network is trained: it imports TensorFlow.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

FROZEN = ("stem_", "block0_", "block1_", "block2_", "projection")
"""Edges and colours; learning these too takes a third longer. The embedding's projection is fitted afterwards."""
BODY_RATE, HEAD_RATE, WEIGHT_DECAY = 3e-4, 1.5e-3, 0.02
AVERAGE = 0.97
"""Momentum of the running average of the weights, which is what is kept in the end."""

Batch = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]


class Fit:
    """One network's fine-tuning with AdamW, cosine decay and averaged weights, saved after each epoch.

    Batch normalisation stays as ImageNet left it: small batches of few sources would spoil it, and it halves the time.

    Args:
        model: changed in place; its output `probs` is trained.
        total_steps: over all epochs.
        checkpoint: .npz file; where it exists, training continues from it.
        rate: factor on the learning rates.
    """

    def __init__(self, model: keras.Model, *, total_steps: int, checkpoint: Path, rate: float = 1.0) -> None:
        self._model = model
        self._checkpoint = checkpoint
        layers = [layer for layer in model.layers if not layer.name.startswith(FROZEN)]
        for layer in model.layers:
            layer.trainable = layer in layers and not isinstance(layer, keras.layers.BatchNormalization)
        learned = [layer for layer in layers if layer.trainable]
        head = [variable for layer in learned if layer.name == "probs" for variable in layer.trainable_variables]
        body = [variable for layer in learned if layer.name != "probs" for variable in layer.trainable_variables]
        self._parts = [
            (_optimizer(rate * BODY_RATE, total_steps), body),
            (_optimizer(rate * HEAD_RATE, total_steps), head),
        ]
        for optimizer, variables in self._parts:
            optimizer.build(variables)
        self.epochs_done = 0
        if checkpoint.is_file():
            self._restore()
        self._step = tf.function(self._take_step)

    def run_epoch(self, batches: Iterable[Batch], *, report: Callable[[int, float], None]) -> float:
        """Learn from every batch once, save, and return the mean loss.

        Args:
            batches: crops uint8 (B, H, W, 3), targets and known f32 (B, 15); where known is 0 a target is ignored.
            report: told the number of each step and its loss.
        """
        losses = []
        for number, (images, targets, known) in enumerate(batches):
            losses.append(float(self._step(images, targets, known)))
            report(number, losses[-1])
        self.epochs_done += 1
        self._save()
        return float(np.mean(losses))

    def use_average(self) -> None:
        """Put the averaged weights into the model, once training is over."""
        for optimizer, variables in self._parts:
            optimizer.finalize_variable_values(variables)

    def _take_step(self, images: tf.Tensor, targets: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
        learned = [variable.value for _, variables in self._parts for variable in variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(learned)
            probs = self._model(images, training=True)["probs"]
            loss = masked_loss(targets, probs, known)
        gradients = tape.gradient(loss, learned)
        gradients, _ = tf.clip_by_global_norm(gradients, 5.0)
        for optimizer, variables in self._parts:
            optimizer.apply(gradients[: len(variables)], variables)
            gradients = gradients[len(variables) :]
        return loss

    def _state(self) -> list[keras.Variable]:
        return [*self._model.variables, *(v for optimizer, _ in self._parts for v in optimizer.variables)]

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


def masked_loss(targets: tf.Tensor, probs: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """Return the binary cross-entropy (the paper's loss) per known label; all three are f32 (B, 15)."""
    probs = tf.clip_by_value(probs, 1e-6, 1 - 1e-6)
    each = -(targets * tf.math.log(probs) + (1 - targets) * tf.math.log(1 - probs))
    return tf.reduce_sum(each * known) / tf.maximum(tf.reduce_sum(known), 1.0)


def _optimizer(rate: float, total_steps: int) -> keras.optimizers.AdamW:
    warm = max(1, total_steps // 20)
    decay = keras.optimizers.schedules.CosineDecay(
        rate * 0.05, max(1, total_steps - warm), alpha=0.0, warmup_target=rate, warmup_steps=warm
    )
    return keras.optimizers.AdamW(decay, weight_decay=WEIGHT_DECAY, use_ema=True, ema_momentum=AVERAGE)
