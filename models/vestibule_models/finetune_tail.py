"""Train the last layers of a garment classifier on features that its first layers, left alone, computed once.

Import it only where a network is trained: it imports Keras.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError, InputSpec
from vestibule_models.augment import chance, change_light, film, jitter_box
from vestibule_models.dataset import Example
from vestibule_models.fitting import masked_loss
from vestibule_models.labels import LABELS
from vestibule_models.letterbox import letterbox
from vestibule_models.pictures import read_picture

Floats = NDArray[np.float32]

TAIL_LAYERS = 8
"""Layers with weights that learn: in EfficientNet-Lite0 the last two blocks, the last convolution and the head."""
RATE, WEIGHT_DECAY, BATCH = 1e-4, 0.02, 16
"""A third of the rate that the shipped network was trained with: it shall be corrected, not replaced."""
AVERAGE = 0.9
"""Momentum of the running average of the weights, which is what is judged and kept."""
BEYOND_CHANCE = 2.0
"""Standard errors by which the validation photos must be answered better, else the tail stays as it was."""
PATIENCE = 5
"""Epochs without a lower validation loss after which the training ends."""
MAX_VIEWS = 6
"""Changed views of each photo, besides the photo as it is; fewer where there are many photos."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Photos as the tail sees them.

    Attributes:
        features: float16 (views, N, ...): the first view is the photo as it is.
        targets: float32 (N, 15).
        known: float32 (N, 15), 0 where a target counts neither way.
    """

    features: NDArray[np.float16]
    targets: Floats
    known: Floats

    def take(self, rows: NDArray[np.int64]) -> "Part":
        """Return some of the photos."""
        return Part(features=self.features[:, rows], targets=self.targets[rows], known=self.known[rows])


def split(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Return the first layers, crops to features, and the last, features to probabilities; they share its weights.

    The cut is the last place that everything between crops and probabilities flows through, with at least
    `TAIL_LAYERS` layers with weights behind it.

    Raises:
        ArtifactError: there is no such place, or the model was tuned before.
    """
    probs = next(tensor for tensor in model.outputs if tensor.shape[-1] == len(LABELS))
    whole = keras.Model(model.input, probs)
    steps = list(whole.operations)  # from the input on
    if any(isinstance(step, keras.Model) for step in steps):
        raise ArtifactError(f"model {model.name} was tuned before; start from its parent, with all photos together")
    made_by = {id(tensor): number for number, step in enumerate(steps) for tensor in _tensors(step.output)}
    needs = [[made_by[id(tensor)] for tensor in _tensors(step.input)] for step in steps]
    weighted, earliest = 0, len(steps)
    for number in range(len(steps) - 1, 0, -1):
        weighted += bool(getattr(steps[number], "weights", None))
        earliest = min(earliest, *needs[number])
        if weighted >= TAIL_LAYERS and earliest == number - 1:
            cut = steps[number - 1].output
            return keras.Model(model.input, cut), keras.Model(cut, probs)
    raise ArtifactError(f"model {model.name} has no place to be cut before its last {TAIL_LAYERS} layers with weights")


def with_own_tail(model: keras.Model) -> tuple[keras.Model, keras.Model, keras.Model]:
    """Return the same network with the last layers before `probs` doubled, its first layers, and the doubled ones.

    The embedding goes on using the layers as they were: its projection was fitted to them, and when they learn, people
    can no longer be told apart.
    """
    body, tail = split(model)
    copy = keras.models.clone_model(tail)
    copy.set_weights(tail.get_weights())
    own = keras.Model(copy.inputs, copy.outputs[0], name="own_photos")
    embedding = next(tensor for tensor in model.outputs if tensor.shape[-1] != len(LABELS))
    return keras.Model(model.input, {"probs": own(body.output), "embedding": embedding}, name=model.name), body, own


def read_part(body: keras.Model, spec: InputSpec, examples: Sequence[Example], *, views: int, seed: int) -> Part:
    """Compute the features of each photo as it is and of `views` changed views of it."""
    rng = np.random.default_rng(seed)
    pictures = [read_picture(example.path) for example in examples]
    rounds = [_features(body, [letterbox(picture, spec)[0] for picture in pictures])]
    rounds += [_features(body, [_view(picture, spec, rng) for picture in pictures]) for _ in range(views)]
    return Part(
        features=np.stack(rounds),
        targets=np.stack([example.targets for example in examples]),
        known=np.stack([example.known for example in examples]),
    )


def fit(
    tail: keras.Model, train: Part, val: Part, *, epochs: int, seed: int, report: Callable[[int, float], None]
) -> tuple[int, list[float]]:
    """Train the tail in place, ending with the weights of the epoch whose validation loss was lowest.

    It ends as it came unless that epoch's gain on the validation photos is beyond chance (`BEYOND_CHANCE`).

    Args:
        tail: features to probabilities, see `split`.
        train: learned from, a view of each photo drawn an epoch.
        val: judges each epoch by the photos as they are.
        epochs: at most; `PATIENCE` epochs without gain end the training.
        seed: of all chances.
        report: told the number of each epoch and its validation loss; 0 is before training.

    Returns:
        The best epoch, 0 if none was better beyond chance than the tail as it came, and all losses.
    """
    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)  # dropout
    learner = keras.Model(tail.inputs, tail.outputs[0])  # the same layers; compiled itself, the tail could not be saved
    learner.compile(
        optimizer=keras.optimizers.AdamW(RATE, weight_decay=WEIGHT_DECAY, global_clipnorm=5.0), loss=_packed_loss
    )
    untouched = photo_losses(tail, val)
    losses, best, kept = [float(untouched.mean())], 0, tail.get_weights()
    report(0, losses[0])
    average = kept
    for epoch in range(1, epochs + 1):
        average = _learn(learner, average, train, rng)
        learning = tail.get_weights()
        tail.set_weights(average)
        now = photo_losses(tail, val)
        tail.set_weights(learning)
        losses.append(float(now.mean()))
        report(epoch, losses[-1])
        if losses[-1] < min(losses[:-1]) and is_gain(untouched - now):
            best, kept = epoch, average
        elif epoch - int(np.argmin(losses)) >= PATIENCE:
            break
    tail.set_weights(kept)
    return best, losses


def is_gain(gains: Floats) -> bool:
    """Return whether gains on single photos (N,), N of 2 or more, are above nothing beyond chance (a paired t test)."""
    return bool(gains.mean() > BEYOND_CHANCE * gains.std(ddof=1) / np.sqrt(len(gains)))


def _learn(learner: keras.Model, average: list[Floats], train: Part, rng: np.random.Generator) -> list[Floats]:
    """Learn from a drawn view of each photo once; return the running average of the weights."""
    order = rng.permutation(len(train.targets))
    drawn = rng.integers(0, len(train.features), len(order))
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        packed = np.concatenate([train.targets[rows], train.known[rows]], axis=1)
        learner.train_on_batch(train.features[drawn[rows], rows].astype(np.float32), packed)
        pairs = zip(average, learner.get_weights(), strict=True)
        average = [AVERAGE * old + (1 - AVERAGE) * new for old, new in pairs]
    return average


def answer(tail: keras.Model, part: Part) -> Floats:
    """Return the probabilities of the photos as they are, float32 (N, 15)."""
    return np.asarray(tail.predict(part.features[0].astype(np.float32), batch_size=64, verbose=0), np.float32)


def photo_losses(tail: keras.Model, part: Part) -> Floats:
    """Return the binary cross-entropy per known label of each photo as it is, float32 (N,)."""
    return losses_of(answer(tail, part), part)


def losses_of(probs: Floats, part: Part) -> Floats:
    """Return the binary cross-entropy per known label of each photo, float32 (N,), for answers (N, 15)."""
    probs = np.clip(probs, 1e-6, 1 - 1e-6)
    each = -(part.targets * np.log(probs) + (1 - part.targets) * np.log(1 - probs)) * part.known
    return np.asarray(each.sum(axis=1) / np.maximum(part.known.sum(axis=1), 1), np.float32)


def _features(body: keras.Model, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float16]:
    return np.asarray(body.predict(np.stack(crops), batch_size=32, verbose=0), np.float16)


def _view(picture: NDArray[np.uint8], spec: InputSpec, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the photo as the same camera might have seen it: another box, side, light, distance."""
    picture = jitter_box(picture, rng)
    if chance(rng, 0.5):
        picture = np.ascontiguousarray(picture[:, ::-1])
    return letterbox(film(change_light(picture, rng), rng), spec)[0]


def _tensors(found: keras.KerasTensor | list[keras.KerasTensor]) -> list[keras.KerasTensor]:
    return list(keras.tree.flatten(found))


def _packed_loss(packed: keras.KerasTensor, probs: keras.KerasTensor) -> keras.KerasTensor:
    """Return `masked_loss` where Keras hands over targets and known side by side, (B, 30)."""
    targets, known = keras.ops.split(packed, 2, axis=1)
    return masked_loss(targets, probs, known)
