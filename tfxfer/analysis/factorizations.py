"""LAPACK's factorizations, as large matrices need them."""

import numpy as np
from scipy import linalg
from threadpoolctl import threadpool_limits

# OpenBLAS (0.3.29 and 0.3.31, two threads, AVX-512): the Cholesky factor of 16,000 rows in float64 ends the process by
# SIGSEGV, for its threads share a buffer that is too small; of 12,000 it does not, nor of any number with one thread
THREADED_ROWS = 8192


def cholesky(matrix: np.ndarray, overwrite: bool = False) -> tuple[np.ndarray, bool]:
    """The lower factor L of L L^T, (d, d), and whether there is one: whether the matrix is positive definite.

    Args:
        matrix: float32 or float64 (d, d), of which the lower triangle counts.
        overwrite: L takes its memory, if it is in Fortran's order. Above the diagonal is what was there.
    """
    (factorize,) = linalg.get_lapack_funcs(("potrf",), (matrix,))
    with threadpool_limits(1 if len(matrix) > THREADED_ROWS else None, "blas"):
        factor, failed = factorize(matrix, lower=True, clean=False, overwrite_a=overwrite)
    return factor, not failed


def eigh(matrix: np.ndarray, **options) -> tuple[np.ndarray, np.ndarray]:
    """scipy's; the matrix may be overwritten."""
    with _threads(len(matrix)):
        return linalg.eigh(matrix, overwrite_a=True, check_finite=False, **options)


def span(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """n rows of d > n numbers as n coordinates each, in the space that they span: rows = z basis^T.

    The basis is orthonormal, so lengths, distances and angles stay what they were, and with them whatever depends on
    nothing else: a fit with a penalty |w|^2, whose w lies in that space; eigenvectors of a covariance. Matrices are
    (n, n) then instead of (d, d). By Householder's QR, which does not square the condition as a Gram matrix would.

    Args:
        rows: float (n, d), n <= d; overwritten.

    Returns:
        z (n, n) and basis (d, n), of the same dtype.
    """
    with _threads(len(rows)):
        basis, corner = linalg.qr(rows.T, mode="economic", overwrite_a=True, check_finite=False)
    return np.ascontiguousarray(corner.T), basis


def span_bytes(n: int, d: int, itemsize: int) -> int:
    """What `span` takes with a copy of the rows, if it is needed: if there are fewer rows than numbers in one."""
    return itemsize * (n * d + 2 * n * n) if n < d else 0


def _threads(side: int) -> threadpool_limits:
    """One, for small matrices. OpenBLAS's threads wait for each other at each of many small steps: where another
    process takes a core, eigenvectors of (1280, 1280) then take up to 14 s rather than 0.3, and QR of (315, 27648) 67 s
    rather than 3; alone, threads save 0.1 s."""
    return threadpool_limits(1 if side <= 2048 else None, "blas")
