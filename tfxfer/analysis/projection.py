"""Projections of embeddings to the plane: PCA, t-SNE, and locally linear embedding."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import LocallyLinearEmbedding

from tfxfer.analysis import factorizations
from tfxfer.core import live_lines
from tfxfer.core.errors import InputError

try:  # the Intel extension, an x86-64 package with the same interface: about ten times as fast
    from sklearnex.manifold import TSNE
except ImportError:
    from sklearn.manifold import TSNE

METHODS = ("pca", "tsne", "lle")


def project(embedding: np.ndarray, method: str = "pca", seed: int = 0) -> np.ndarray:
    """Projects an embedding to two dimensions.

    A projection is fitted to these features alone, so the axes of two projections cannot be compared.

    Args:
        embedding: finite float (n, d), n >= 4.
        method: "pca"; "tsne" (van der Maaten and Hinton 2008, JMLR 9:2579) of the first 50 principal components, with a
            perplexity of 30 or as high as n allows; or "lle" (Roweis and Saul 2000, Science 290:2323) of the same
            components, with 10 neighbours.
        seed: random seed of the method.

    Returns:
        float (n, 2).

    Raises:
        InputError: an unknown method, another shape, too few examples, or numbers that are not finite.

    Example:
        >>> import numpy as np
        >>> from tfxfer import analysis
        >>> embedding = np.random.default_rng(0).normal(size=(20, 8))
        >>> analysis.project(embedding, method="pca").shape
        (20, 2)
    """
    x = np.asarray(embedding)
    if x.ndim != 2 or len(x) < 4 or not np.isfinite(x).all():
        raise InputError(f"embedding of shape {x.shape}: expected finite numbers (n, d) with n of at least 4")
    if method not in METHODS:
        raise InputError(f"projection {method!r}: expected one of {', '.join(METHODS)}")
    with live_lines.line(f"projection by {method}", after=live_lines.PATIENCE), factorizations.threads(len(x)):
        return _projected(x, method, seed)


def _projected(x: np.ndarray, method: str, seed: int) -> np.ndarray:
    if method == "pca":
        return PCA(2, random_state=seed).fit_transform(x)
    reduced = PCA(min(50, *x.shape), random_state=seed).fit_transform(x)
    if method == "tsne":
        return TSNE(2, perplexity=min(30, (len(x) - 1) / 3), random_state=seed).fit_transform(reduced)
    neighbours = min(10, len(x) - 1)
    # the dense solver is exact; ARPACK, which is faster, fails for the nearly singular matrices of tight clusters
    lle = LocallyLinearEmbedding(n_neighbors=neighbours, n_components=2, eigen_solver="dense", random_state=seed)
    return lle.fit_transform(reduced)
