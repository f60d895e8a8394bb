"""Embeddings drawn in the plane: PCA, t-SNE after PCA, locally linear embedding."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import LocallyLinearEmbedding

from tfxfer.core.errors import InputError

try:  # the Intel extension's, which is an x86-64 package: the same interface, about ten times faster
    from sklearnex.manifold import TSNE
except ImportError:
    from sklearn.manifold import TSNE

METHODS = ("pca", "tsne", "lle")


def project(embedding: np.ndarray, method: str = "pca", seed: int = 0) -> np.ndarray:
    """Projects to two dimensions; fitted to these features alone, so axes of two projections are not comparable.

    Args:
        embedding: float (n, d), n >= 4.
        method: "pca"; "tsne" (van der Maaten and Hinton 2008) on the first 50 principal components, perplexity 30 or
            what n allows; "lle" (Roweis and Saul 2000) with 10 neighbours on the same components.
        seed: of whatever is random in the method.

    Returns:
        float (n, 2).
    """
    x = np.asarray(embedding)
    if x.ndim != 2 or len(x) < 4 or not np.isfinite(x).all():
        raise InputError(f"embedding of shape {x.shape}: expected finite numbers (n, d) with n of at least 4")
    if method not in METHODS:
        raise InputError(f"projection {method!r}: expected one of {', '.join(METHODS)}")
    if method == "pca":
        return PCA(2, random_state=seed).fit_transform(x)
    reduced = PCA(min(50, *x.shape), random_state=seed).fit_transform(x)
    if method == "tsne":
        return TSNE(2, perplexity=min(30, (len(x) - 1) / 3), random_state=seed).fit_transform(reduced)
    neighbours = min(10, len(x) - 1)
    # dense eigenvalues are exact; ARPACK, the faster choice, fails on the nearly singular matrices of tight clusters
    lle = LocallyLinearEmbedding(n_neighbors=neighbours, n_components=2, eigen_solver="dense", random_state=seed)
    return lle.fit_transform(reduced)
