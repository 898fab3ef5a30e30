"""What more labelled street photos bring, for categories and for groups: a probe's learning curve.

    python benchmarks/learning_curve.py --data DIR --weights efficientnet-lite0.pth [--draws 3]

The body keeps its ImageNet weights; a logistic regression for each category learns from what it says of the street
photos (train and val), pooled as in our network. Four folds: each is answered for by what was learnt from a share of
the other three, drawn anew `--draws` times. Groups are as sure as any of their members (noisy-or). A minute of one core
where a training of the network itself is hours, and well below it; what is looked at is how it rises.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from measuring import table
from scipy.optimize import minimize
from scipy.special import expit

from vestibule_models.calibration import average_precision
from vestibule_models.dataset import INPUT, STREET, Example, assign_folds, read_photos
from vestibule_models.garment_metrics import enough
from vestibule_models.groups import group_scores, group_truth
from vestibule_models.labels import LABELS, MEMBERS
from vestibule_models.letterbox import letterbox
from vestibule_models.networks import efficientnet_lite
from vestibule_models.pictures import read_picture
from vestibule_models.torch_weights import load_torch_weights

Floats = npt.NDArray[np.float32]
SHARES = (0.1, 0.25, 0.5, 1.0)
FOLDS = 4
DECAY = 5.0
"""Weight of the squared coefficients; of 0.02 to 60 the best at all photos, and near the best at a tenth of them."""
COUNTED = frozenset({"Blazer", "Blouse", "Dress", "Jacket", "Jeans", "Shorts", "Skirt", "Sweater", "Tee"})
"""The categories with at least 10 positives among the test photos, whose mean is told everywhere."""
_BATCH = 32


def features(examples: Sequence[Example], weights: Path) -> Floats:
    """Return what the body says of each photo, float32 (N, F), each column of mean 0 and deviation 1."""
    import keras  # noqa: PLC0415 - TensorFlow is loaded after the arguments are read

    model = efficientnet_lite.build()
    efficientnet_lite.load_body(model, load_torch_weights(weights))
    pooled = keras.Model(model.input, model.get_layer("pooled").output)
    found = []
    for start in range(0, len(examples), _BATCH):
        images = [letterbox(read_picture(example.path), INPUT)[0] for example in examples[start : start + _BATCH]]
        found.append(np.asarray(pooled(np.stack(images), training=False)))
    said = np.concatenate(found)
    return np.asarray((said - said.mean(axis=0)) / (said.std(axis=0) + 1e-6), np.float32)


def regress(x: Floats, targets: Floats, known: Floats) -> npt.NDArray[np.float64]:
    """Return the coefficients (F + 1, C) of a logistic regression for each column, from the rows where it is known."""
    inputs = np.hstack([x, np.ones((len(x), 1), np.float32)]).astype(np.float64)
    shape = (inputs.shape[1], targets.shape[1])

    def loss(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        coefficients = flat.reshape(shape)
        logits = inputs @ coefficients
        wrong = known * (np.logaddexp(0, logits) - targets * logits)
        slope = inputs.T @ (known * (expit(logits) - targets)) / len(inputs) + 2 * DECAY * coefficients
        return float(wrong.sum() / len(inputs) + DECAY * (coefficients**2).sum()), slope.ravel()

    found = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    return np.asarray(found.x).reshape(shape)


def out_of_fold(
    x: Floats, targets: Floats, known: Floats, rows_of: Sequence[npt.NDArray[np.int64]], fold_of: npt.NDArray[np.int64]
) -> Floats:
    """Return the answers for every photo, float32 (N, C); those of each fold learnt from its `rows_of`."""
    probs = np.zeros_like(targets)
    for fold, rows in enumerate(rows_of):
        here = fold_of == fold
        coefficients = regress(x[rows], targets[rows], known[rows])
        probs[here] = expit(x[here] @ coefficients[:-1] + coefficients[-1])
    return probs


def precisions(targets: Floats, known: Floats, scores: Floats) -> npt.NDArray[np.float64]:
    """Return the average precision of each column, NaN of those that cannot be measured."""
    measured = enough(targets, known)
    return np.array(
        [
            average_precision(targets[rows, column], scores[rows, column]) if measured[column] else np.nan
            for column, rows in enumerate((known > 0).T)
        ]
    )


def curve(examples: Sequence[Example], weights: Path, draws: int) -> str:
    """Return the table: a row for each group and for the mean of the categories, a column for each share."""
    x = features(examples, weights)
    targets = np.stack([example.targets for example in examples])
    known = np.stack([example.known for example in examples])
    fold_of = assign_folds(examples, FOLDS, 1)
    truth, told = group_truth(targets, known)
    others = [np.flatnonzero(fold_of != fold) for fold in range(FOLDS)]
    columns = []
    for share in SHARES:
        found = []
        for seed in range(1 if share == 1 else draws):
            rng = np.random.default_rng(seed)
            drawn = [rng.choice(rows, round(share * len(rows)), replace=False) for rows in others]
            probs = out_of_fold(x, targets, known, drawn, fold_of)
            found.append([*precisions(targets, known, probs), *precisions(truth, told, group_scores(probs))])
        columns.append(np.mean(found, axis=0))
    rows = [
        (str(name), values)
        for name, values in zip([*LABELS, *MEMBERS], np.transpose(columns), strict=True)
        if name in COUNTED or name in MEMBERS
    ]
    mean = np.mean([values for name, values in rows if name in COUNTED], axis=0)
    photos = round(np.mean([len(each) for each in others]))
    return table(
        ["AP out of fold", *(f"{round(share * photos)} photos" for share in SHARES)],
        [[name, *(f"{value:.2f}" for value in values)] for name, values in [*rows, ("mean of these nine", mean)]],
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv and photos/")
    parser.add_argument("--weights", type=Path, required=True, help="ImageNet weights: efficientnet-lite0*.pth")
    parser.add_argument("--draws", type=int, default=3)
    args = parser.parse_args()
    photos = [photo for photo in read_photos(args.data) if photo.source == STREET and photo.split in ("train", "val")]
    print(curve(photos, args.weights, args.draws))


if __name__ == "__main__":
    main()
