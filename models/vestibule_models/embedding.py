"""Fit the projection that turns pooled features into an embedding which tells people apart.

Linear discriminant analysis after shrinkage (Fisher 1936; Belhumeur et al. 1997): directions in which pictures of one
person in the same clothes differ little and pictures of different people differ much.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def fit_projection(
    features: Floats, people: NDArray[np.int64], size: int, *, shrink: float = 0.1
) -> tuple[Floats, Floats]:
    """Return kernel (F, size) and bias (size,) of a linear layer.

    Args:
        features: (N, F), several rows a person.
        people: (N,), who is seen.
        size: of the embedding; at most the number of people less one is of use.
        shrink: 0 to 1, how far the covariance within people is drawn to a multiple of the identity.
    """
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
    scaled = (features - mean) / spread
    basis = _principal_axes(scaled, 4 * size)
    inner = scaled @ basis
    ids, index = np.unique(people, return_inverse=True)
    means = np.stack([inner[index == i].mean(axis=0) for i in range(len(ids))])
    within = np.cov((inner - means[index]).T)
    within = (1 - shrink) * within + shrink * np.trace(within) / len(within) * np.eye(len(within))
    values, vectors = np.linalg.eigh(within)
    whiten = vectors / np.sqrt(values)
    _, _, directions = np.linalg.svd((means - means.mean(axis=0)) @ whiten, full_matrices=False)
    kernel = (basis @ whiten @ directions[:size].T) / spread[:, None]
    if kernel.shape[1] < size:
        raise ValueError(f"{len(ids)} people give {kernel.shape[1]} directions, {size} were asked for")
    return kernel, -mean @ kernel


def _principal_axes(rows: Floats, count: int) -> Floats:
    """Return at most `count` principal axes (F, count) of centred rows (N, F), from their smaller product."""
    if len(rows) >= rows.shape[1]:
        return np.linalg.eigh(rows.T @ rows)[1][:, ::-1][:, :count]
    values, vectors = np.linalg.eigh(rows @ rows.T)
    kept = np.flatnonzero(values > 1e-9 * values[-1])[::-1][:count]
    return np.asarray(rows.T @ vectors[:, kept] / np.sqrt(values[kept]), np.float64)


def distances(
    embeddings: NDArray[np.float32], people: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the cosine distances of all pairs of one person, and of all pairs of two people.

    Args:
        embeddings: (N, D), unit length.
        people: (N,), who is seen.
    """
    first, second = np.triu_indices(len(people), k=1)
    apart = 1 - np.einsum("nd,nd->n", embeddings[first], embeddings[second])
    same = people[first] == people[second]
    return apart[same], apart[~same]
