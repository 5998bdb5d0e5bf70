"""Compiled search for the corrections that close every residue.

Reliability-sorted unwrapping joins pixels along a minimum spanning tree of the steps
between neighbours, each weighted by how unreliable its two pixels are. Seen from the
faces (the 2 x 2 loops between pixels), the steps that it leaves out form a *maximum*
spanning tree of the faces and the outside, and the turns to correct are the residues
that flow along this tree until they cancel. Only branches between residues carry a
flow, and the most unreliable step that leaves any part of the tree belongs to it. So
`grow_trees` starts at the residues and stops when each tree is neutral or has reached
the outside: the result of sorting all steps of the frame, without the sorting. Where
residues are dense, `join_faces` with one sort is faster.
"""

# mypy: disable-error-code="untyped-decorator, no-any-return"

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

TOP, RIGHT, BOTTOM, LEFT = 0, 1, 2, 3
"""Sides of a face; the opposite side is two further on."""
WAITING = 4
"""In place of a side: a residue whose sides are not in the heap of its tree yet."""
NONE = -1
CHILD, SIBLING = 0, 1
N_REACHED, N_NODES, SPARE = 0, 1, 2

Integers = NDArray[np.int32]
Faces = NDArray[np.int64]
Unreliability = NDArray[np.float64]
Branches = NDArray[np.uint8]


class _Forest(NamedTuple):
    """Trees that grow from residues, each with a heap of the steps that leave it."""

    # Of each face: its first tree + 1 (0: not reached), and bits ``1 << side``.
    owners: Integers
    branches: Branches
    reached: Faces
    # Of each tree; `parents` leads to the tree that it was joined to.
    parents: Integers
    sizes: Integers
    charges: Integers
    is_grounded: NDArray[np.bool_]
    heaps: Integers
    # Of each node of the pairing heaps: weight, (child, sibling), 8 * face + side.
    weights: Unreliability
    links: Integers
    half_steps: Faces
    counters: Faces


@njit(nogil=True, cache=True)
def _across(face: int, side: int, n_rows: int, n_columns: int) -> int:
    """Return the face beyond `side`, or `NONE` outside of the frame."""
    if side == TOP:
        return face - n_columns if face >= n_columns else NONE
    if side == BOTTOM:
        return face + n_columns if face + n_columns < n_rows * n_columns else NONE
    x = face % n_columns
    if side == RIGHT:
        return face + 1 if x + 1 < n_columns else NONE
    return face - 1 if x > 0 else NONE


@njit(nogil=True, cache=True)
def _side_weight(unreliability: Unreliability, y: int, x: int, side: int) -> float:
    """Return the weight of the step (pixel pair) that bounds face (y, x) on `side`."""
    if side == TOP:
        return unreliability[y, x] + unreliability[y, x + 1]
    if side == RIGHT:
        return unreliability[y, x + 1] + unreliability[y + 1, x + 1]
    if side == BOTTOM:
        return unreliability[y + 1, x] + unreliability[y + 1, x + 1]
    return unreliability[y, x] + unreliability[y + 1, x]


@njit(nogil=True, cache=True)
def _root(parents: Integers, item: int) -> int:
    while parents[item] != item:
        parents[item] = parents[parents[item]]
        item = parents[item]
    return item


@njit(nogil=True, cache=True)
def _meld(first: int, second: int, weights: Unreliability, links: Integers) -> int:
    """Return the top of two heaps joined."""
    if first == NONE:
        return second
    if second == NONE:
        return first
    if weights[first] < weights[second]:
        first, second = second, first
    links[second, SIBLING] = links[first, CHILD]
    links[first, CHILD] = second
    return first


@njit(nogil=True, cache=True)
def _without_top(top: int, weights: Unreliability, links: Integers) -> int:
    """Return the top of a heap once its heaviest node is removed (two-pass pairing)."""
    pending = NONE
    child = links[top, CHILD]
    while child != NONE:
        partner = links[child, SIBLING]
        following = NONE
        links[child, SIBLING] = NONE
        if partner != NONE:
            following = links[partner, SIBLING]
            links[partner, SIBLING] = NONE
        pair = _meld(child, partner, weights, links)
        links[pair, SIBLING] = pending
        pending = pair
        child = following
    heap = NONE
    while pending != NONE:
        following = links[pending, SIBLING]
        links[pending, SIBLING] = NONE
        heap = _meld(heap, pending, weights, links)
        pending = following
    return heap


@njit(nogil=True, cache=True)
def _push_sides(
    heap: int,
    face: int,
    owners: Integers,
    unreliability: Unreliability,
    weights: Unreliability,
    links: Integers,
    half_steps: Faces,
    counters: Faces,
) -> int:
    """Return the top of a tree's heap with the sides of a face that may lead out."""
    n_rows, n_columns = unreliability.shape[0] - 1, unreliability.shape[1] - 1
    y, x = face // n_columns, face % n_columns
    for side in range(4):
        beyond = _across(face, side, n_rows, n_columns)
        if beyond != NONE and owners[beyond] == owners[face]:
            continue
        node = counters[SPARE]
        if node != NONE:
            counters[SPARE] = links[node, SIBLING]
        else:
            node = counters[N_NODES]
            counters[N_NODES] += 1
        links[node, CHILD] = NONE
        links[node, SIBLING] = NONE
        weights[node] = _side_weight(unreliability, y, x, side)
        half_steps[node] = 8 * face + side
        heap = _meld(heap, node, weights, links)
    return heap


@njit(nogil=True, cache=True)
def _plant(
    seeds: Faces, residues: Integers, n_faces: int, most_reached: int
) -> _Forest:
    """Return one tree for each residue. Memory is touched only where trees grow."""
    n_trees = seeds.size
    # A face has at most four sides in heaps; nodes are used again.
    n_nodes = 4 * (most_reached + 1)
    forest = _Forest(
        np.zeros(n_faces, np.int32),
        np.zeros(n_faces, np.uint8),
        np.empty(most_reached, np.int64),
        np.arange(n_trees).astype(np.int32),
        np.ones(n_trees, np.int32),
        residues.copy(),
        np.zeros(n_trees, np.bool_),
        np.arange(n_trees).astype(np.int32),
        np.empty(n_nodes, np.float64),
        np.empty((n_nodes, 2), np.int32),
        np.empty(n_nodes, np.int64),
        np.array([n_trees, n_trees, NONE]),
    )
    for tree in range(n_trees):
        face = seeds[tree]
        forest.owners[face] = tree + 1
        forest.reached[tree] = face
        forest.weights[tree] = np.inf
        forest.links[tree] = NONE
        forest.half_steps[tree] = 8 * face + WAITING
    return forest


@njit(nogil=True, cache=True)
def _join(forest: _Forest, tree: int, other: int) -> int:
    """Return the one tree that two trees became."""
    if forest.sizes[other] > forest.sizes[tree]:
        tree, other = other, tree
    forest.parents[other] = tree
    forest.sizes[tree] += forest.sizes[other]
    forest.charges[tree] += forest.charges[other]
    forest.is_grounded[tree] |= forest.is_grounded[other]
    forest.heaps[tree] = _meld(
        forest.heaps[tree], forest.heaps[other], forest.weights, forest.links
    )
    return tree


@njit(nogil=True, cache=True)
def _is_finished(forest: _Forest, tree: int) -> bool:
    return forest.charges[tree] == 0 or forest.is_grounded[tree]


@njit(nogil=True, cache=True)
def _grow(
    forest: _Forest, tree: int, unreliability: Unreliability, most_reached: int
) -> int:
    """Grow a tree until it meets another or the outside; return the tree it is then.

    Returns `NONE` when it had to stop at `most_reached` faces.
    """
    n_rows, n_columns = unreliability.shape[0] - 1, unreliability.shape[1] - 1
    # Plain arrays: numba counts references at each access to a field.
    owners, branches, reached = forest.owners, forest.branches, forest.reached
    weights, links, half_steps = forest.weights, forest.links, forest.half_steps
    counters, parents = forest.counters, forest.parents
    heap = forest.heaps[tree]
    while True:
        node = heap
        heap = _without_top(node, weights, links)
        links[node, SIBLING] = counters[SPARE]
        counters[SPARE] = node
        face, side = half_steps[node] >> 3, half_steps[node] & 7
        reached_face = face
        if side != WAITING:
            beyond = _across(face, side, n_rows, n_columns)
            opposite = (side + 2) % 4
            if beyond == NONE:
                branches[face] |= 1 << side
                forest.is_grounded[tree] = True
                forest.heaps[tree] = heap
                return tree
            if owners[beyond] != 0:
                other = _root(parents, owners[beyond] - 1)
                if other == tree:
                    continue
                branches[face] |= 1 << side
                branches[beyond] |= 1 << opposite
                forest.heaps[tree] = heap
                return _join(forest, tree, other)
            if counters[N_REACHED] == most_reached:
                return NONE
            branches[face] |= 1 << side
            branches[beyond] |= 1 << opposite
            owners[beyond] = tree + 1
            reached[counters[N_REACHED]] = beyond
            counters[N_REACHED] += 1
            reached_face = beyond
        heap = _push_sides(
            heap,
            reached_face,
            owners,
            unreliability,
            weights,
            links,
            half_steps,
            counters,
        )


@njit(nogil=True, cache=True)
def grow_trees(
    seeds: Faces, residues: Integers, unreliability: Unreliability, most_reached: int
) -> tuple[bool, Branches, Faces]:
    """Return whether all trees are done, the branches of each face, the faces reached.

    Growing stops undone when more than `most_reached` faces would be needed.
    """
    n_faces = (unreliability.shape[0] - 1) * (unreliability.shape[1] - 1)
    forest = _plant(seeds, residues, n_faces, max(most_reached, seeds.size))
    # Trees take turns, one meeting each: near neighbours cancel before any goes far.
    n_trees = seeds.size
    queue = np.arange(n_trees)
    head, n_queued = 0, n_trees
    while n_queued > 0:
        tree = queue[head]
        head = (head + 1) % n_trees
        n_queued -= 1
        if forest.parents[tree] != tree or _is_finished(forest, tree):
            continue
        grown = _grow(forest, tree, unreliability, forest.reached.size)
        if grown == NONE:
            return False, forest.branches, forest.reached
        if not _is_finished(forest, grown):
            queue[(head + n_queued) % n_trees] = grown
            n_queued += 1
    return True, forest.branches, forest.reached[: forest.counters[N_REACHED]]


@njit(nogil=True, cache=True)
def join_faces(order: Faces, n_rows: int, n_columns: int) -> Branches:
    """Return the branches of each face of the whole tree.

    `order` lists the steps by ascending weight: first those along rows (Y, X - 1), then
    those between rows (Y - 1, X), for Y - 1 = `n_rows` and X - 1 = `n_columns` faces.
    """
    n_faces = n_rows * n_columns
    outside = n_faces
    parents = np.arange(n_faces + 1).astype(np.int32)
    branches = np.zeros(n_faces, np.uint8)
    n_along = (n_rows + 1) * n_columns
    n_missing = n_faces
    for step in order[::-1]:
        if step < n_along:
            y, x = step // n_columns, step % n_columns
            first = step - n_columns if y > 0 else outside
            second = step if y < n_rows else outside
            side = BOTTOM
        else:
            y, x = (
                (step - n_along) // (n_columns + 1),
                (step - n_along) % (n_columns + 1),
            )
            first = y * n_columns + x - 1 if x > 0 else outside
            second = y * n_columns + x if x < n_columns else outside
            side = RIGHT
        one, other = _root(parents, first), _root(parents, second)
        if one == other:
            continue
        parents[min(one, other)] = max(one, other)
        if first != outside:
            branches[first] |= 1 << side
        if second != outside:
            branches[second] |= 1 << ((side + 2) % 4)
        n_missing -= 1
        if n_missing == 0:
            break
    return branches


@njit(nogil=True, cache=True)
def settle(
    branches: Branches,
    reached: Faces,
    charges: Integers,
    top: NDArray[np.float32],
    down: Integers,
) -> None:
    """Let residues flow from the leaves of each tree inwards; write corrected turns.

    `charges` (Y - 1, X - 1) are used up. `top` (X - 1) receives the turns of the steps
    along row 0, `down` (Y - 1, X) those between rows; other rows follow from these.
    """
    n_rows, n_columns = charges.shape
    flat_charges = charges.ravel()
    for leaf in reached:
        face = leaf
        while face != NONE:
            branch = branches[face]
            if branch == 0 or branch & (branch - 1):
                break
            side = TOP
            while branch != 1 << side:
                side += 1
            charge = flat_charges[face]
            flat_charges[face] = 0
            branches[face] = 0
            y, x = face // n_columns, face % n_columns
            if side == LEFT:
                down[y, x] += charge
            elif side == RIGHT:
                down[y, x + 1] -= charge
            elif side == TOP and y == 0:
                top[x] -= charge
            face = _across(face, side, n_rows, n_columns)
            if face != NONE:
                flat_charges[face] += charge
                branches[face] &= ~(1 << ((side + 2) % 4))
