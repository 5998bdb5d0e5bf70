"""Robust surface fits on a coarse grid, and the mask that they are made on.

A frame needs a dozen of them on some nine thousand pixels each, where NumPy would spend
its time on calls, and hold the interpreter that the viewer draws with.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["low_field", "robust_fit"]

_kernel = numba.njit(nogil=True, cache=True)
_TUKEY = 4.685
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
        gram = _normal_equations(rows, columns, used, weight, values)[0]
        condition = np.sqrt(np.linalg.cond(gram))
        if condition <= most_condition or len(used) == 1:
            break
        degrees = used.sum(axis=1)
        used = used[degrees < degrees.max()]
    factors = np.zeros((len(rows), len(columns)))
    deviation = residual.astype(np.float64)
    distances = np.empty(mask.sum())
    for _ in range(_N_ROUNDS):
        reach = _TUKEY * max(spread, _LEAST_SPREAD)
        for y in range(mask.shape[0]):
            for x in range(mask.shape[1]):
                scaled = deviation[y, x] / reach
                is_near = mask[y, x] and abs(scaled) < 1
                weight[y, x] = (1 - scaled**2) ** 2 if is_near else 0.0
        gram, moment = _normal_equations(rows, columns, used, weight, values)
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
def _normal_equations(
    rows: Any, columns: Any, orders: Any, weight: Any, values: Any
) -> Any:
    """Return Gram matrix ``(n, n)`` and moments ``(n,)`` of weighted products."""
    n_terms, n_columns = len(orders), len(columns)
    gram, moment = np.zeros((n_terms, n_terms)), np.zeros(n_terms)
    pairs, singles = np.empty((n_columns, n_columns)), np.empty(n_columns)
    for y in range(weight.shape[0]):
        pairs[:], singles[:] = 0.0, 0.0
        for x in range(weight.shape[1]):
            share = weight[y, x]
            if share == 0:
                continue
            for a in range(n_columns):
                product = share * columns[a, x]
                singles[a] += product * values[y, x]
                for b in range(a + 1):
                    pairs[a, b] += product * columns[b, x]
        for k in range(n_terms):
            i, j = orders[k]
            moment[k] += rows[i, y] * singles[j]
            for m in range(k + 1):
                other_i, other_j = orders[m]
                pair = pairs[max(j, other_j), min(j, other_j)]
                gram[k, m] += rows[i, y] * rows[other_i, y] * pair
    for k in range(n_terms):
        for m in range(k):
            gram[m, k] = gram[k, m]
    return gram, moment
