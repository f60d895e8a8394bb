"""LAPACK's factorizations, with as many threads as the size of a matrix allows."""

from typing import Any

import numpy as np
from scipy import linalg
from threadpoolctl import threadpool_limits

# OpenBLAS (0.3.29 and 0.3.31, two threads, AVX-512): the Cholesky factorization of 16,000 rows in float64 ends the
# process with SIGSEGV, because its threads share a buffer that is too small. 12,000 rows work, and with one thread any
THREADED_ROWS = 8192


def cholesky(matrix: np.ndarray, overwrite: bool = False) -> tuple[np.ndarray, bool]:
    """Factorizes a symmetric matrix as L L^T.

    Args:
        matrix: float32 or float64 (d, d), of which only the lower triangle is read.
        overwrite: lets L take the memory of a matrix in Fortran order.

    Returns:
        L (d, d), above whose diagonal is what was there before; and whether it exists, that is, whether the matrix is
        positive definite.
    """
    (factorize,) = linalg.get_lapack_funcs(("potrf",), (matrix,))
    with threadpool_limits(1 if len(matrix) > THREADED_ROWS else None, "blas"):
        factor, failed = factorize(matrix, lower=True, clean=False, overwrite_a=overwrite)
    return factor, not failed


def eigh(matrix: np.ndarray, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (k,), ascending, and eigenvectors (d, k) of a symmetric matrix (d, d), which may be overwritten.

    Args:
        matrix: float32 or float64 (d, d).
        options: for `scipy.linalg.eigh`.
    """
    with threads(len(matrix)):
        return linalg.eigh(matrix, overwrite_a=True, check_finite=False, **options)


def span(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Expresses n rows of d > n numbers by n coordinates each, in the space that they span: rows = z basis^T.

    The basis is orthonormal, so lengths, distances and angles stay what they were, and so does everything that depends
    on nothing else: a fit with a penalty |w|^2, whose w lies in that space, or the eigenvectors of a covariance. The
    matrices of such methods are then (n, n) instead of (d, d). The basis comes from Householder's QR, which does not
    square the condition number as a Gram matrix would.

    Args:
        rows: float (n, d) with n <= d; overwritten.

    Returns:
        z (n, n) and basis (d, n), of the same dtype.
    """
    with threads(len(rows)):
        basis, corner = linalg.qr(rows.T, mode="economic", overwrite_a=True, check_finite=False)
    return np.ascontiguousarray(corner.T), basis


def span_bytes(n: int, d: int, itemsize: int) -> int:
    """Bytes that `span` needs with a copy of the rows (n, d); 0 if n is not less than d, where it is not used."""
    return itemsize * (n * d + 2 * n * n) if n < d else 0


def threads(side: int) -> threadpool_limits:
    """Limits the threads to one for small matrices.

    OpenBLAS's threads wait for each other at each of many small steps. If another process uses a core, eigenvectors of
    (1280, 1280) then take up to 14 s instead of 0.3, and QR of (315, 27648) 67 s instead of 3. On an idle machine the
    threads save 0.1 s.
    """
    return threadpool_limits(1 if side <= 2048 else None, "blas")
