"""Train the garment classifier: cross-validation, for the thresholds; and the network that ships.

Everything is written under `--out` after each epoch; the same command continues what was cut off. The parts: `fold0`,
`fold1`, ... learn from all but one fold of the street photos (train and val) and answer for that fold, which gives
out-of-fold predictions; `final` learns from all of them. Test rows are never read.

With `--teachers` a network also learns from what others, trained by this command, say of the very same views
(Hinton et al. 2015; Beyer et al. 2022, "a good teacher is patient and consistent"): the labels that nobody could tell
get an answer that way. A fold's network is only taught by networks of the same fold.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import ArtifactError, InputSpec
from vestibule_models.dataset import (
    INPUT,
    STREET,
    Example,
    assign_folds,
    read_photos,
    read_sprites,
)
from vestibule_models.letterbox import letterbox
from vestibule_models.networks import efficientnet_lite
from vestibule_models.pictures import read_picture
from vestibule_models.torch_weights import load_torch_weights
from vestibule_models.views import Views, processes

if TYPE_CHECKING:
    import keras

MIXED = 0.3
"""Share of the batches that are mixed up."""
LABEL_SHARE = 0.5
"""Of a known label in what is learnt, where teachers have the rest."""
Answer = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From crops uint8 (B, H, W, 3) to probabilities f32 (B, 15)."""


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
    catalogue_share: float = 0.5
    rendered_share: float = 0.25

    def epoch(self, rng: np.random.Generator) -> list[Example]:
        """Return the examples of one epoch: the street photos in their order, then what was drawn."""
        drawn = list(self.street)
        for pool, share in ((self.catalogue, self.catalogue_share), (self.rendered, self.rendered_share)):
            count = min(len(pool), round(share * len(self.street)))
            drawn += [pool[i] for i in rng.choice(len(pool), count, replace=False)] if count else []
        return drawn


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `train` for our networks."""
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv and photos/")
    parser.add_argument("--network", choices=tuple(efficientnet_lite.SCALES), default="efficientnet_lite0")
    parser.add_argument("--weights", type=Path, required=True, help="ImageNet weights: efficientnet-lite*.pth")
    parser.add_argument("--size", default=f"{INPUT.height}x{INPUT.width}", help="of the crops, HEIGHTxWIDTH")
    parser.add_argument("--sprites", type=Path, help="folder with index.csv and rendered people")
    parser.add_argument("--avatars", type=Path, help="garments.csv of the rendered people; needed with --sprites")
    parser.add_argument("--teachers", type=Path, nargs="*", default=[], help="folders that this command wrote before")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, predictions and weights")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2.0, help="factor on the learning rate (2)")
    parser.add_argument("--precision", default="float32", help="Keras's policy; mixed_bfloat16 is fast on a GPU")
    parser.add_argument("--views", type=Path, help="keep the changed pictures there, for other trainings of this seed")
    parser.add_argument("--workers", type=int, default=1, help="processes that change pictures")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the street photos, to see what more would bring (1)"
    )
    parser.add_argument("--part", default="all", help="all (default), views, fold0, fold1, ... or final")
    parser.add_argument("--learn-norm", action="store_true", help="batch normalisation learns too")


def run(args: argparse.Namespace) -> int:
    """Train the parts asked for; finished parts are left as they are."""
    parts = [f"fold{fold}" for fold in range(args.folds)] + ["final"]
    if args.part not in ("all", "views", *parts):
        raise ArtifactError(f"--part {args.part!r} is none of all, views, {', '.join(parts)}")
    photos = [example for example in read_photos(args.data) if example.split in ("train", "val")]
    street = [example for example in photos if example.source == STREET]
    fold_of = assign_folds(street, args.folds, args.seed)
    kept = np.random.default_rng(args.seed).permutation(len(street)) < args.share * len(street)
    mixture = Mixture(
        street=[example for example, keep in zip(street, kept, strict=True) if keep],
        catalogue=[example for example in photos if example.source != STREET and example.split == "train"],
        rendered=_rendered(args),
    )
    pool = processes(args.workers)
    views = Views(spec=input_of(args.size), seed=args.seed, folder=args.views, pool=pool)
    if args.part == "views":
        for epoch in range(args.epochs):
            views.epoch(epoch, epoch_of(mixture, args.seed, epoch))
    for number, part in enumerate(parts):
        if args.part in ("all", part):
            held_out = fold_of == (number if part != "final" else -1)
            asked = [example for example, out in zip(street, held_out, strict=True) if out]
            training = _Training(
                args=args, part=part, mixture=mixture, held_out=held_out[kept], asked=asked, views=views
            )
            training.run()
    if pool:
        pool.shutdown()
    return 0


def input_of(size: str) -> InputSpec:
    """Return the network's input for HEIGHTxWIDTH.

    Raises:
        ArtifactError: that is not what it says.
    """
    try:
        height, width = (int(number) for number in size.split("x"))
    except ValueError as error:
        raise ArtifactError(f"--size {size!r} is not HEIGHTxWIDTH, such as 288x144") from error
    return INPUT.model_copy(update={"height": height, "width": width})


def epoch_of(mixture: Mixture, seed: int, epoch: int) -> list[Example]:
    """Return what an epoch shows, before folds are held out."""
    return mixture.epoch(np.random.default_rng((seed, epoch)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Training:
    """The training of one part, in `out/part/`.

    Attributes:
        held_out: which of the mixture's street photos are not learnt from.
        asked: the street photos to answer for in the end.
    """

    args: argparse.Namespace
    part: str
    mixture: Mixture
    held_out: NDArray[np.bool_]
    asked: Sequence[Example]
    views: Views

    @property
    def folder(self) -> Path:
        return Path(self.args.out) / self.part

    def run(self) -> None:
        """Train for all epochs that are not done yet, save the averaged weights, answer for the held-out photos."""
        import keras  # noqa: PLC0415 - paid for only when training

        from vestibule_models.fitting import Fit  # noqa: PLC0415 - see above

        args = self.args
        keras.utils.set_random_seed(args.seed)
        keras.config.set_dtype_policy(args.precision)
        self.folder.mkdir(parents=True, exist_ok=True)
        model = efficientnet_lite.build(self.views.spec.height, self.views.spec.width, network=args.network)
        efficientnet_lite.load_body(model, load_torch_weights(args.weights))
        soft = teachers([folder / self.part for folder in args.teachers])
        shown = len(epoch_of(self.mixture, args.seed, 0)) - int(self.held_out.sum())
        steps = shown // args.batch
        fit = Fit(
            model,
            total_steps=steps * args.epochs,
            rate=args.rate,
            checkpoint=self.folder / "state.npz",
            learn_norm=args.learn_norm,
        )
        for epoch in range(fit.epochs_done, args.epochs):
            loss = fit.run_epoch(self._batches(epoch, soft), report=self._report(epoch, steps))
            print(f"{self.part}: epoch {epoch + 1} of {args.epochs}, loss {loss:.4f}", flush=True)  # noqa: T201 - progress
        fit.use_average()
        model.save_weights(self.folder / "garments.weights.h5")
        (self.folder / "training.json").write_text(json.dumps({"network": args.network, "size": args.size}))
        if self.asked:
            names = [example.path.name for example in self.asked]
            np.savez(self.folder / "out_of_fold.npz", files=names, probs=predict(model, self.asked, self.views.spec))

    def _batches(self, epoch: int, soft: Answer | None) -> "Iterator[Batch]":
        examples = epoch_of(self.mixture, self.args.seed, epoch)
        shown = np.flatnonzero(~np.pad(self.held_out, (0, len(examples) - len(self.held_out))))
        images = self.views.epoch(epoch, examples)
        rng = np.random.default_rng((self.args.seed, epoch, len(shown)))
        return batches(images, examples, rng.permutation(shown), self.args.batch, rng, soft)

    def _report(self, epoch: int, steps: int) -> Callable[[int, float], None]:
        def report(step: int, loss: float) -> None:
            if step % 10 == 0:
                text = f"{self.part}: epoch {epoch + 1}, step {step} of {steps}, loss {loss:.4f}"
                print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress

        return report


Batch = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]


def batches(  # noqa: PLR0917 - what is drawn, how, and by whom it is taught
    images: NDArray[np.uint8],
    examples: Sequence[Example],
    order: NDArray[np.int64],
    size: int,
    rng: np.random.Generator,
    soft: Answer | None = None,
) -> Iterator[Batch]:
    """Yield full batches of crops uint8 (size, H, W, 3), targets and known f32 (size, 15).

    Three batches in ten are mixed up (Zhang et al. 2018): two pictures of the batch laid over each other, one of them
    faint more often than not; a label counts only where both are known.

    Args:
        images: uint8 (N, H, W, 3), a view of each example.
        examples: N of them.
        order: which of them, and when.
        size: of a batch.
        rng: where all chances come from.
        soft: what teachers say of crops.
    """
    all_targets = np.stack([example.targets for example in examples])
    all_known = np.stack([example.known for example in examples])
    for start in range(0, len(order) - size + 1, size):
        rows = order[start : start + size]
        crops, targets, known = images[rows], all_targets[rows], all_known[rows]
        if soft:
            share = LABEL_SHARE * known
            targets, known = share * targets + (1 - share) * soft(crops), np.ones_like(known)
        if rng.random() < MIXED:
            first = np.float32(rng.beta(0.2, 0.2))
            crops = np.asarray(crops * first + crops[::-1] * (1 - first), np.uint8)
            targets, known = targets * first + targets[::-1] * (1 - first), known * known[::-1]
        yield crops, targets, known


def load_trained(folder: Path) -> "keras.Model":
    """Return a network that this module trained.

    Args:
        folder: of one part, such as `out/final`.

    Raises:
        ArtifactError: it was not trained to its end.
    """
    try:
        told = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtifactError(f"{folder} holds no finished training; run `train` to its end first") from error
    spec = input_of(told["size"])
    model = efficientnet_lite.build(spec.height, spec.width, network=told["network"])
    model.load_weights(folder / "garments.weights.h5")
    return model


def teachers(folders: Sequence[Path]) -> Answer | None:
    """Return the mean answer of trained networks, or None without any."""
    answers = [answer_of(load_trained(folder)) for folder in folders]
    return (lambda crops: np.mean([answer(crops) for answer in answers], axis=0)) if answers else None


def answer_of(model: "keras.Model") -> Answer:
    """Return the compiled way from crops to probabilities."""
    import keras  # noqa: PLC0415 - paid for only when training

    probs = keras.Model(model.input, model.get_layer("probs").output)
    return lambda crops: np.asarray(probs.predict_on_batch(crops), np.float32)


def predict(
    model: "keras.Model", examples: Sequence[Example], spec: InputSpec, *, size: int = 64
) -> NDArray[np.float32]:
    """Return the probabilities of unchanged pictures, float32 (N, 15)."""
    answer = answer_of(model)
    answers = []
    for start in range(0, len(examples), size):
        chosen = examples[start : start + size]
        images = np.zeros((size, spec.height, spec.width, 3), np.uint8)  # one shape: compiled once
        for place, example in enumerate(chosen):
            images[place] = letterbox(read_picture(example.path), spec)[0]
        answers.append(answer(images)[: len(chosen)])
    return np.concatenate(answers)


def _rendered(args: argparse.Namespace) -> list[Example]:
    if args.sprites is None:
        return []
    if args.avatars is None:
        raise ArtifactError("--sprites needs --avatars FILE, the garments.csv of the rendered people")
    return [example for example in read_sprites(args.sprites, args.avatars) if example.split == "train"]
