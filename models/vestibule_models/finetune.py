"""Go on training a shipped garment classifier on a store's own corrected photos: minutes on a CPU."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import (
    ArtifactError,
    GarmentManifest,
    GroupThresholds,
    Thresholds,
    describe_file,
    load_manifest,
    model_folder,
    model_path,
    save_manifest,
    sha256_of,
)
from vestibule_models.calibration import MIN_POSITIVES, group_thresholds_for, thresholds_for
from vestibule_models.dataset import Example, read_photos
from vestibule_models.keras_files import round_to_float16, save_keras
from vestibule_models.labels import LABELS, GarmentGroup, GarmentLabel
from vestibule_models.pictures import find_unreadable
from vestibule_models.staging import new_folder

if TYPE_CHECKING:
    import keras

MIN_TRAIN, MIN_VAL = 20, 10
"""Photos of the two splits, below which nothing is learnt or judged."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `finetune`."""
    parser.add_argument("--from-zoo", dest="parent", default="garments-efflite0", help="model to start from")
    parser.add_argument("--data", type=Path, required=True, help="manifest.csv and photos/, as `label` writes them")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write; must not exist")
    parser.add_argument("--epochs", type=int, default=30, help="at most (30)")
    parser.add_argument("--seed", type=int, default=1)


def run(args: argparse.Namespace) -> int:
    """Fine-tune, say what it gained on the validation photos, and write the model folder."""
    parent = model_folder(args.parent)
    with new_folder(args.out) as folder:
        finetune(parent, read_photos(args.data), folder, epochs=args.epochs, seed=args.seed)
    print(f"{args.out}: written; `vestibule-models install {args.out} --store DIR` puts it to use")  # noqa: T201
    return 0


def finetune(parent: Path, examples: Sequence[Example], out: Path, *, epochs: int, seed: int) -> None:
    """Train the last layers of the parent on split train, stop by split val, and write a model folder.

    Args:
        parent: model folder with a .keras file.
        examples: a store's corrected photos; those of split test are left alone, to measure the result with.
        out: an empty folder.
        epochs: at most.
        seed: of all chances.

    Raises:
        ArtifactError: the parent is no garment classifier, there are too few photos, or no epoch was better
            beyond chance than the parent on the validation photos.
    """
    manifest = load_manifest(parent)
    if not isinstance(manifest, GarmentManifest):
        raise ArtifactError(
            f"model {parent} is a {manifest.kind}; only a garment classifier learns from labelled photos"
        )
    usable = usable_photos(examples)
    splits = {name: [example for example in usable if example.split == name] for name in ("train", "val")}
    check_enough(splits)

    import keras  # noqa: PLC0415 - TensorFlow is paid for only when training

    from vestibule_models import finetune_tail as ft  # noqa: PLC0415 - likewise

    parent_model = keras.models.load_model(model_path(parent, manifest, ".keras"), compile=False)
    model, body, tail = ft.with_own_tail(parent_model)
    views = max(1, min(ft.MAX_VIEWS, 3000 // len(splits["train"])))
    train = ft.read_part(body, manifest.input, splits["train"], views=views, seed=seed)
    val = ft.read_part(body, manifest.input, splits["val"], views=0, seed=seed)
    best, losses = ft.fit(tail, train, val, epochs=epochs, seed=seed, report=_say)
    if best == 0:
        raise ArtifactError(
            f"no epoch was better beyond chance than {manifest.name} on the {len(splits['val'])} validation photos "
            f"(loss {losses[0]:.3f}, at best {min(losses):.3f}); nothing written: keep that model, or label more"
        )
    answers = ft.answer(tail, val)
    thresholds, fitted = choose_thresholds(manifest, val.targets, answers, val.known)
    group_thresholds, groups = choose_group_thresholds(manifest, val.targets, answers, val.known, thresholds)
    fitted += groups
    provenance: dict[str, str | int | float] = {
        **{key: value for key, value in manifest.provenance.items() if key in ("architecture", "outputs")},
        "parent": f"{manifest.name}@{manifest.version}",
        "parent_sha256": sha256_of(model_path(parent, manifest, ".keras")),
        "corrected_photos": len(splits["train"]),
        "validation_photos": len(splits["val"]),
        "validation_loss_before": round(losses[0], 4),
        "validation_loss_after": round(losses[best], 4),
        "epochs": best,
        "seed": seed,
        "score_maps": "of the parent" if manifest.score_map else "none",
        "thresholds": f"of the parent, but fitted on the validation photos for: {', '.join(fitted) or 'none'}",
    }
    changed = {
        "version": f"{manifest.version}+{len(splits['train'])}photos",
        "thresholds": thresholds,
        "group_thresholds": group_thresholds,
        "provenance": provenance,
    }
    write(model, manifest.model_copy(update=changed), out)


def usable_photos(examples: Sequence[Example]) -> list[Example]:
    """Return the examples that can be read and of which anything is known; name the others."""
    unreadable = {skipped.path: skipped.reason for skipped in find_unreadable([example.path for example in examples])}
    for reason in unreadable.values():
        print(f"left out: {reason}")  # noqa: T201 - the user must know
    return [example for example in examples if example.path not in unreadable and example.known.any()]


def check_enough(splits: dict[str, list[Example]]) -> None:
    """Raise `ArtifactError` where a split has too few photos."""
    for name, least in (("train", MIN_TRAIN), ("val", MIN_VAL)):
        if len(splits[name]) < least:
            raise ArtifactError(f"{len(splits[name])} usable photos of split {name}, {least} are needed: label more")


def choose_thresholds(
    manifest: GarmentManifest, targets: NDArray[np.float32], probs: NDArray[np.float32], known: NDArray[np.float32]
) -> tuple[dict[GarmentLabel, Thresholds], list[str]]:
    """Return each category's thresholds and those fitted anew: where the photos (N, 15) have positives enough."""
    fitted = [i for i in range(len(LABELS)) if int((targets[:, i] * known[:, i]).sum()) >= MIN_POSITIVES]
    anew = {LABELS[i]: thresholds_for(targets[:, i], probs[:, i], known[:, i]) for i in fitted}
    return {**manifest.thresholds, **anew}, [str(LABELS[i]) for i in fitted]


def choose_group_thresholds(
    manifest: GarmentManifest,
    targets: NDArray[np.float32],
    probs: NDArray[np.float32],
    known: NDArray[np.float32],
    thresholds: Mapping[GarmentLabel, Thresholds],
) -> tuple[dict[GarmentGroup, GroupThresholds], list[str]]:
    """Return likewise of the groups, beside the categories' `thresholds`; all (N, 15)."""
    found = group_thresholds_for(targets, probs, known, thresholds)
    anew = {group: each for group, each in found.items() if each.positives >= MIN_POSITIVES}
    return {**manifest.group_thresholds, **anew}, [str(group) for group in anew]


def write(model: "keras.Model", manifest: GarmentManifest, folder: Path) -> None:
    """Write both files of the same weights, which float16 holds, and the manifest."""
    from vestibule_models.export_formats import convert  # noqa: PLC0415 - see finetune

    round_to_float16(model)
    save_keras(model, folder / "model.keras")
    convert(model, "float16", folder, np.empty((0, 0, 0, 3), np.uint8))
    files = {name: describe_file(folder / name) for name in ("model.tflite", "model.keras")}
    save_manifest(folder, manifest.model_copy(update={"files": files}))


def _say(epoch: int, loss: float) -> None:
    print(f"epoch {epoch}: validation loss {loss:.4f}", flush=True)  # noqa: T201 - minutes pass
