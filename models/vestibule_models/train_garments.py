"""Train the garment classifier: cross-validation first, for the thresholds; then the network that ships.

Everything is written under `--out` after each epoch; the same command continues what was cut off. The parts: `fold0`,
`fold1`, ... learn from all but one fold of the street photos (train and val) and answer for that fold, which gives
out-of-fold predictions; `final` is the mean of the folds' networks, taught more if `--final-epochs` says so. Test rows
are never read.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError
from vestibule_models.augment import augment
from vestibule_models.dataset import (
    INPUT,
    STREET,
    Example,
    assign_folds,
    read_image,
    read_photos,
    read_sprites,
)
from vestibule_models.letterbox import letterbox
from vestibule_models.networks import efficientnet_lite
from vestibule_models.torch_weights import load_torch_weights

if TYPE_CHECKING:
    import keras

FINAL_RATE = 0.3
"""Of the learning rate, for the final network, which starts near its goal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """What an epoch is drawn from: every street photo once, and shares of the rest, drawn anew each epoch.

    Attributes:
        street: photos of people on the street.
        catalogue: catalogue pictures and clothes laid flat.
        rendered: people of the training avatars.
        catalogue_share: of the number of street photos.
        rendered_share: of the number of street photos.
    """

    street: Sequence[Example]
    catalogue: Sequence[Example]
    rendered: Sequence[Example]
    catalogue_share: float = 0.4
    rendered_share: float = 0.2

    def epoch(self, rng: np.random.Generator) -> list[Example]:
        """Return the examples of one epoch, shuffled."""
        drawn = list(self.street)
        for pool, share in ((self.catalogue, self.catalogue_share), (self.rendered, self.rendered_share)):
            count = min(len(pool), round(share * len(self.street)))
            drawn += [pool[i] for i in rng.choice(len(pool), count, replace=False)] if count else []
        return [drawn[i] for i in rng.permutation(len(drawn))]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `train garments`."""
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv and photos/")
    parser.add_argument("--weights", type=Path, required=True, help="ImageNet weights: efficientnet-lite0-*.pth")
    parser.add_argument("--sprites", type=Path, help="folder with index.csv and rendered people")
    parser.add_argument("--avatars", type=Path, help="garments.csv of the rendered people; needed with --sprites")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, predictions and weights")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--final-epochs", type=int, default=0, help="of the final network, after the mean (0)")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--part", default="all", help="all (default), fold0, fold1, ... or final")


def run(args: argparse.Namespace) -> int:
    """Train the parts asked for; finished parts are left as they are."""
    photos = [example for example in read_photos(args.data) if example.split in ("train", "val")]
    street = [example for example in photos if example.source == STREET]
    catalogue = [example for example in photos if example.source != STREET and example.split == "train"]
    rendered = _rendered(args)
    fold_of = assign_folds(street, args.folds, args.seed)
    parts = [f"fold{fold}" for fold in range(args.folds)] + ["final"]
    if args.part not in ("all", *parts):
        raise ArtifactError(f"--part {args.part!r} is none of all, {', '.join(parts)}")
    for number, part in enumerate(parts):
        if args.part not in ("all", part):
            continue
        held_out = fold_of == (number if part != "final" else -1)
        mixture = Mixture(
            street=[example for example, out in zip(street, held_out, strict=True) if not out],
            catalogue=catalogue,
            rendered=rendered,
        )
        training = _Training(args=args, part=part, mixture=mixture, seed=args.seed * 100 + number)
        if part == "final":
            training.run(from_folds(args.out, args.folds), epochs=args.final_epochs, rate=FINAL_RATE)
        else:
            model = training.run(_from_imagenet(args.weights), epochs=args.epochs, rate=1.0)
            asked = [example for example, out in zip(street, held_out, strict=True) if out]
            names = [example.path.name for example in asked]
            np.savez(training.folder / "out_of_fold.npz", files=names, probs=predict(model, asked))
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Training:
    """The training of one part, in `out/part/`."""

    args: argparse.Namespace
    part: str
    mixture: Mixture
    seed: int

    @property
    def folder(self) -> Path:
        return Path(self.args.out) / self.part

    def run(self, model: "keras.Model", *, epochs: int, rate: float) -> "keras.Model":
        """Train for all epochs that are not done yet, save the averaged weights, return the model."""
        import keras  # noqa: PLC0415 - TensorFlow is paid for only when training

        from vestibule_models.fitting import Fit  # noqa: PLC0415 - see above

        keras.utils.set_random_seed(self.seed)
        self.folder.mkdir(parents=True, exist_ok=True)
        steps = len(self.mixture.epoch(np.random.default_rng((self.seed, 0)))) // self.args.batch
        fit = Fit(model, total_steps=steps * epochs, rate=rate, checkpoint=self.folder / "state.npz")
        for epoch in range(fit.epochs_done, epochs):
            rng = np.random.default_rng((self.seed, epoch))
            drawn = batches(self.mixture.epoch(rng), self.args.batch, rng)
            loss = fit.run_epoch(drawn, report=self._report(epoch, steps))
            print(f"{self.part}: epoch {epoch + 1} of {epochs}, loss {loss:.4f}", flush=True)  # noqa: T201 - progress
        if epochs:
            fit.use_average()
        model.save_weights(self.folder / "garments.weights.h5")
        return model

    def _report(self, epoch: int, steps: int) -> Callable[[int, float], None]:
        def report(step: int, loss: float) -> None:
            if step % 10 == 0:
                text = f"{self.part}: epoch {epoch + 1}, step {step} of {steps}, loss {loss:.4f}"
                print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress

        return report


def from_folds(out: Path, folds: int) -> "keras.Model":
    """Return a network whose weights are the mean of the folds' networks (model soups, Wortsman et al. 2022).

    They started from the same weights and learnt most of the same photos, so that their mean is as good as any of
    them, and it knows all photos.

    Raises:
        ArtifactError: a fold's weights are missing.
    """
    total: list[NDArray[np.float32]] = []
    model = efficientnet_lite.build()
    for fold in range(folds):
        path = out / f"fold{fold}" / "garments.weights.h5"
        if not path.is_file():
            raise ArtifactError(f"{path} is missing; the final network starts from the folds: train them first")
        model.load_weights(path)
        weights = model.get_weights()
        total = [a + b for a, b in zip(total, weights, strict=True)] if total else weights
    model.set_weights([weight / folds for weight in total])
    return model


def _from_imagenet(weights: Path) -> "keras.Model":
    model = efficientnet_lite.build()
    efficientnet_lite.load_body(model, load_torch_weights(weights))
    return model


def batches(
    examples: Sequence[Example], size: int, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]]:
    """Yield full batches of augmented crops uint8 (size, H, W, 3), targets and known f32 (size, 15).

    Three batches in ten are mixed up (Zhang et al. 2018): two pictures of the batch laid over each other, one of them
    faint more often than not; a label counts only where both are known.
    """
    for start in range(0, len(examples) - size + 1, size):
        chosen = examples[start : start + size]
        images = np.stack([augment(read_image(example.path), rng) for example in chosen])
        targets = np.stack([example.targets for example in chosen])
        known = np.stack([example.known for example in chosen])
        if rng.random() < 0.3:  # noqa: PLR2004 - see above
            share = np.float32(rng.beta(0.2, 0.2))
            images = np.asarray(images * share + images[::-1] * (1 - share), np.uint8)
            targets, known = targets * share + targets[::-1] * (1 - share), known * known[::-1]
        yield images, targets, known


def predict(model: "keras.Model", examples: Sequence[Example], *, size: int = 32) -> NDArray[np.float32]:
    """Return the probabilities of unchanged pictures, float32 (N, 15)."""
    answers = []
    for start in range(0, len(examples), size):
        images = np.stack([letterbox(read_image(example.path), INPUT)[0] for example in examples[start : start + size]])
        answers.append(np.asarray(model(images, training=False)["probs"]))
    return np.concatenate(answers)


def _rendered(args: argparse.Namespace) -> list[Example]:
    if args.sprites is None:
        return []
    if args.avatars is None:
        raise ArtifactError("--sprites needs --avatars FILE, the garments.csv of the rendered people")
    return [example for example in read_sprites(args.sprites, args.avatars) if example.split == "train"]
