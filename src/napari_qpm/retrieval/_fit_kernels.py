"""Robust surface fits on a coarse grid, and the mask that they are made on.

A frame needs a dozen of them on some nine thousand pixels each, where NumPy would spend
its time on calls, and hold the interpreter that the viewer draws with.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["TUKEY", "low_field", "normal_equations", "robust_fit"]

_kernel = numba.njit(nogil=True, cache=True)
TUKEY = 4.685
"""Deviations from where on a residual has no weight (95 % efficient for noise)."""
_PER_MEDIAN = 1.4826
_N_ROUNDS = 3
_LEAST_SPREAD = 1e-6


@_kernel
def low_field(
    height: Any, finite: Any, object_height: float, highest: float, n_grow: int
) -> NDArray[np.bool_]:
    """Return pixels ``(Y, X)`` below `highest` and away from objects.

    Objects rise above `object_height`, are wider than two pixels (binary opening with
    a cross) and are grown by `n_grow` pixels.
    """
    objects = _grown(_shrunk(height > object_height))
    for _ in range(n_grow):
        objects = _grown(objects)
    low: NDArray[np.bool_] = finite & ~objects & (height < highest)
    return low


@_kernel
def _shrunk(mask: Any) -> Any:
    inner = np.zeros_like(mask)
    for y in range(1, mask.shape[0] - 1):
        for x in range(1, mask.shape[1] - 1):
            inner[y, x] = (
                mask[y, x]
                and mask[y - 1, x]
                and mask[y + 1, x]
                and mask[y, x - 1]
                and mask[y, x + 1]
            )
    return inner


@_kernel
def _grown(mask: Any) -> Any:
    grown = mask.copy()
    n_rows, n_columns = mask.shape
    for y in range(n_rows):
        for x in range(n_columns):
            if mask[y, x]:
                grown[max(y - 1, 0), x] = grown[min(y + 1, n_rows - 1), x] = True
                grown[y, max(x - 1, 0)] = grown[y, min(x + 1, n_columns - 1)] = True
    return grown


@_kernel
def robust_fit(
    rows: Any,
    columns: Any,
    orders: Any,
    values: Any,
    mask: Any,
    residual: Any,
    spread: float,
    most_condition: float,
) -> tuple[NDArray[np.float64], float]:
    """Return factors ``(I, J)`` of products of a Tukey-weighted fit, and its condition.

    Parameters
    ----------
    rows, columns
        ``(I, Y)`` and ``(J, X)`` polynomials.
    orders
        ``(n, 2)`` products ``rows[i] columns[j]`` that are fitted; the highest orders
        are dropped until the condition on the mask is below `most_condition`.
    values, mask
        ``(Y, X)``; only pixels of the mask count.
    residual, spread
        What an earlier fit left, for the first weights, and its deviation.
    """
    weight = mask.astype(np.float64)
    used = orders
    while True:
        gram = normal_equations(rows, columns, used, weight, values)[0]
        condition = np.sqrt(np.linalg.cond(gram))
        if condition <= most_condition or len(used) == 1:
            break
        degrees = used.sum(axis=1)
        used = used[degrees < degrees.max()]
    factors = np.zeros((len(rows), len(columns)))
    deviation = residual.astype(np.float64)
    distances = np.empty(mask.sum())
    for _ in range(_N_ROUNDS):
        reach = TUKEY * max(spread, _LEAST_SPREAD)
        for y in range(mask.shape[0]):
            for x in range(mask.shape[1]):
                scaled = deviation[y, x] / reach
                is_near = mask[y, x] and abs(scaled) < 1
                weight[y, x] = (1 - scaled**2) ** 2 if is_near else 0.0
        gram, moment = normal_equations(rows, columns, used, weight, values)
        solved = np.linalg.lstsq(gram, moment, 1e-12)[0]
        for k in range(len(used)):
            factors[used[k, 0], used[k, 1]] = solved[k]
        surface = rows.T @ factors @ columns
        n_inside = 0
        for y in range(mask.shape[0]):
            for x in range(mask.shape[1]):
                deviation[y, x] = values[y, x] - surface[y, x]
                if mask[y, x]:
                    distances[n_inside] = abs(deviation[y, x])
                    n_inside += 1
        spread = _PER_MEDIAN * np.median(distances)
    return factors, condition


@_kernel
def normal_equations(
    rows: Any, columns: Any, orders: Any, weight: Any, values: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Gram matrix ``(n, n)`` and moments ``(n,)`` of weighted products.

    The products factorise, so the sums over a frame are small matrix products instead
    of one over all pixels and pairs of terms.

    Parameters
    ----------
    rows, columns
        ``(I, Y)`` and ``(J, X)`` polynomials.
    orders
        ``(n, 2)`` products ``rows[i] columns[j]``.
    weight, values
        ``(Y, X)``, the weight in double precision; values without weight may be NaN.
    """
    weighted = np.zeros_like(weight)
    for y in range(weight.shape[0]):
        for x in range(weight.shape[1]):
            if weight[y, x] != 0:
                weighted[y, x] = weight[y, x] * values[y, x]
    pairs = _products(rows) @ weight @ _products(columns).T
    singles = rows @ weighted @ columns.T
    n_terms, n_rows, n_columns = len(orders), len(rows), len(columns)
    gram, moment = np.empty((n_terms, n_terms)), np.empty(n_terms)
    for k in range(n_terms):
        i, j = orders[k]
        moment[k] = singles[i, j]
        for m in range(n_terms):
            other_i, other_j = orders[m]
            gram[k, m] = pairs[i * n_rows + other_i, j * n_columns + other_j]
    return gram, moment


@_kernel
def _products(functions: Any) -> Any:
    """Return the products ``(n * n, N)`` of all pairs of functions ``(n, N)``."""
    n = len(functions)
    products = np.empty((n * n, functions.shape[1]))
    for a in range(n):
        for b in range(n):
            products[a * n + b] = functions[a] * functions[b]
    return products
