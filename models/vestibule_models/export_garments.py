"""Write the trained garment classifier as a model folder: .tflite and .keras of the same weights, and the manifest."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vestibule_models.artifact import (
    ArtifactError,
    GarmentManifest,
    GroupThresholds,
    InputSpec,
    ScoreMap,
    Thresholds,
    describe_file,
    save_manifest,
)
from vestibule_models.augment import film, jitter_box, place
from vestibule_models.calibration import group_thresholds_for, thresholds_for
from vestibule_models.dataset import (
    INPUT,
    STREET,
    Example,
    read_photos,
    read_sprites,
)
from vestibule_models.embedding import distances, fit_projection
from vestibule_models.keras_files import round_to_float16, save_keras
from vestibule_models.labels import LABELS, GarmentGroup
from vestibule_models.letterbox import letterbox
from vestibule_models.networks import efficientnet_lite
from vestibule_models.pictures import read_picture
from vestibule_models.score_maps import Columns, fit, told_columns
from vestibule_models.train_garments import load_trained

if TYPE_CHECKING:
    import keras

VIEWS = 3
"""Pictures made of each street photo: another box, another distance."""
MAX_PHOTOS, MAX_SPRITES = 300, 500
"""How many the embedding's projection is fitted on; more changes little."""
FALSE_MATCHES = 0.01
"""Share of pairs of two people that may look like one: a customer taken for another is a visit that nobody hears of."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `export garments`."""
    parser.add_argument("--trained", type=Path, required=True, help="the folder that `train --out` wrote")
    parser.add_argument("--part", default="final", help="which of its networks (final)")
    parser.add_argument("--data", type=Path, required=True, help="the photos it was trained on")
    parser.add_argument("--sprites", type=Path, required=True, help="folder with index.csv and rendered people")
    parser.add_argument("--avatars", type=Path, required=True, help="garments.csv of the rendered people")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument("--name", default="garments-efflite0")
    parser.add_argument("--version", default="1")
    parser.add_argument("--seed", type=int, default=1)


def run(args: argparse.Namespace) -> int:
    """Fuse, fit the embedding, round the weights to float16, write both files and the manifest."""
    trained = load_trained(args.trained / args.part)
    photos = [example for example in read_photos(args.data) if example.source == STREET]
    model = efficientnet_lite.fuse(trained)
    sprites = [example for example in read_sprites(args.sprites, args.avatars) if not example.recoloured]
    rng = np.random.default_rng(args.seed)
    fit_embedding(model, [e for e in photos if e.split == "train"], [e for e in sprites if e.split == "train"], rng)
    same_person_distance = operating_point(model, [e for e in photos if e.split == "val"], rng)
    round_to_float16(model)
    args.out.mkdir(parents=True, exist_ok=True)
    save_keras(model, args.out / "model.keras")
    (args.out / "model.tflite").write_bytes(to_tflite(model))
    save_manifest(
        args.out,
        GarmentManifest(
            schema_version=1,
            kind="garment-classifier",
            name=args.name,
            version=args.version,
            input=input_of_model(model),
            files={name: describe_file(args.out / name) for name in ("model.tflite", "model.keras")},
            provenance={
                "architecture": f"{efficientnet_lite.network_of(model)}, fused batch norm, float16 weights",
                "outputs": f"probs is the one of width {len(LABELS)}, embedding the other",
                "seed": args.seed,
                "part": args.part,
                "score_maps": "fitted on the out-of-fold answers, where there are any",
            },
            labels=LABELS,
            embedding_size=model.get_layer("projection").units,
            same_person_distance=same_person_distance,
            **learnt_from_answers(args.trained, photos),
        ),
    )
    return 0


def input_of_model(model: "keras.Model") -> InputSpec:
    """Return how crops are fed to a network that was built here."""
    height, width = model.input_shape[1:3]
    return INPUT.model_copy(update={"height": height, "width": width})


def learnt_from_answers(trained: Path, photos: Sequence[Example]) -> dict[str, Any]:
    """Return the manifest's thresholds and maps of scores by the fold networks' answers, `fold*/out_of_fold.npz`."""
    by_name = {example.path.name: example for example in photos if example.split in ("train", "val")}
    answers = [np.load(path) for path in sorted(trained.glob("fold*/out_of_fold.npz"))]
    names = [str(name) for answer in answers for name in answer["files"]]
    if sorted(names) != sorted(by_name):
        print(f"only {len(names)} of {len(by_name)} street photos have out-of-fold answers: provisional thresholds")  # noqa: T201
    if not names:
        none = Thresholds(positives=0, likely=None, certain=None)
        groups = dict.fromkeys(GarmentGroup, GroupThresholds(**none.model_dump()))
        return {"thresholds": dict.fromkeys(LABELS, none), "group_thresholds": groups}
    probs = np.concatenate([answer["probs"] for answer in answers])
    targets = np.stack([by_name[name].targets for name in names])
    known = np.stack([by_name[name].known for name in names])
    thresholds = {label: thresholds_for(targets[:, i], probs[:, i], known[:, i]) for i, label in enumerate(LABELS)}
    group_thresholds = group_thresholds_for(targets, probs, known, thresholds)
    plain, grouped = told_columns(targets, known, probs, thresholds, group_thresholds)
    return {
        "thresholds": thresholds,
        "group_thresholds": group_thresholds,
        "score_map": _map_of(plain),
        "group_score_map": _map_of(grouped),
    }


def _map_of(columns: Columns) -> ScoreMap | None:
    """Fit a map to all answers, or say why there is none: scores are then published as they are."""
    try:
        return fit(*columns.flat(np.ones(len(columns.scores), np.bool_)))
    except ArtifactError as error:
        print(f"scores are not calibrated: {error}")  # noqa: T201 - the user must know
        return None


def fit_embedding(
    model: "keras.Model", street: Sequence[Example], sprites: Sequence[Example], rng: np.random.Generator
) -> None:
    """Fit the projection on views of street photos and on rendered people seen from several sides, in place."""
    import keras  # noqa: PLC0415 - TensorFlow is paid for only when exporting

    looks = keras.Model(model.input, model.get_layer("looks").output)
    spec = input_of_model(model)
    images, people = _views([street[i] for i in rng.permutation(len(street))[:MAX_PHOTOS]], rng, spec)
    for example in [sprites[i] for i in rng.permutation(len(sprites))[:MAX_SPRITES]]:
        images.append(letterbox(place(read_picture(example.path, keep_cover=True), rng), spec)[0])
        people.append(example.group)
    features = _in_batches(looks, images).astype(np.float64)
    _, index = np.unique(people, return_inverse=True)
    layer = model.get_layer("projection")
    kernel, bias = fit_projection(features, index, layer.units)
    layer.set_weights([kernel.astype(np.float32), bias.astype(np.float32)])


def operating_point(model: "keras.Model", street: Sequence[Example], rng: np.random.Generator) -> float:
    """Return the cosine distance below which `FALSE_MATCHES` of the pairs of two people lie."""
    import keras  # noqa: PLC0415 - see fit_embedding

    images, people = _views(street, rng, input_of_model(model))
    embedding = keras.Model(model.input, model.get_layer("embedding").output)
    _, index = np.unique(people, return_inverse=True)
    same, different = distances(_in_batches(embedding, images), index)
    distance = float(np.quantile(different, FALSE_MATCHES))
    print(f"same-person distance {distance:.3f}: {np.mean(same < distance):.1%} of the pairs of one person below")  # noqa: T201
    return round(distance, 3)


def to_tflite(model: "keras.Model") -> bytes:
    """Convert to TensorFlow Lite: float16 weights, float32 arithmetic, any batch size, built-in operators only."""
    import tensorflow as tf  # noqa: PLC0415 - see fit_embedding

    height, width = model.input_shape[1:3]
    crops = tf.TensorSpec((None, height, width, 3), tf.uint8, name="crops")
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, input_signature=[crops], verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        return bytes(converter.convert())


def _views(
    examples: Sequence[Example], rng: np.random.Generator, spec: InputSpec
) -> tuple[list[NDArray[np.uint8]], list[str]]:
    pictures = [(read_picture(example.path), example.group) for example in examples for _ in range(VIEWS)]
    return [letterbox(film(jitter_box(image, rng), rng), spec)[0] for image, _ in pictures], [
        group for _, group in pictures
    ]


def _in_batches(model: "keras.Model", images: Sequence[NDArray[np.uint8]], size: int = 32) -> NDArray[np.float32]:
    parts = [np.asarray(model(np.stack(images[i : i + size]), training=False)) for i in range(0, len(images), size)]
    return np.concatenate(parts)
