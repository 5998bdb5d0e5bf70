"""Compiled search for the corrections that close every residue.

Reliability-sorted unwrapping joins pixels along a minimum spanning tree of the steps
between neighbours, each weighted by how unreliable its two pixels are. Seen from the
loops (the faces between pixels), the steps that it leaves out form a *maximum* spanning
tree of the faces and the outside, and the turns to correct are the residues that flow
along this tree until they cancel. Only the branches between residues carry a flow, and
a branch that grows from any face by its most unreliable step belongs to the tree (the
cut property). So trees are grown from the residues only, until each is neutral or
reaches the outside: the result of sorting every step of the frame, without the sorting.
"""

# mypy: disable-error-code="untyped-decorator, no-any-return"

import numpy as np
from numba import njit
from numpy.typing import NDArray

HALF_TURN = np.pi
TURN = 2 * np.pi
LEAST_TRUSTED = 1000.0
"""Added to pixels without a full neighbourhood: above any sum of second differences."""

TOP, RIGHT, BOTTOM, LEFT, WAITING = 0, 1, 2, 3, 4
"""Sides of a face; `WAITING` marks a residue whose sides are not in its heap yet."""
NONE = -1

Charges = NDArray[np.int32]
Reliability = NDArray[np.float64]


@njit(nogil=True, cache=True)
def _wrapped(step: float) -> float:
    if step > HALF_TURN:
        return step - TURN
    if step < -HALF_TURN:
        return step + TURN
    return step


@njit(nogil=True, cache=True)
def _bend(before: float, here: float, after: float) -> float:
    """Return the squared second difference through a pixel [rad^2]."""
    bend = _wrapped(before - here) - _wrapped(here - after)
    return bend * bend


@njit(nogil=True, cache=True)
def measure_unreliability(
    start: int, stop: int, wrapped: NDArray[np.float32], out: Reliability
) -> None:
    """Write the summed squared second differences of rows `start` to `stop`.

    Pixels on the border of the frame have no full neighbourhood: they come last.
    """
    n_rows, n_columns = wrapped.shape
    for y in range(start, stop):
        here = wrapped[y]
        row = out[y]
        inner = 0 < y < n_rows - 1
        if inner:
            above = wrapped[y - 1]
            below = wrapped[y + 1]
            for x in range(1, n_columns - 1):
                middle = np.float64(here[x])
                row[x] = (
                    _bend(here[x - 1], middle, here[x + 1])
                    + _bend(above[x], middle, below[x])
                    + _bend(above[x - 1], middle, below[x + 1])
                    + _bend(above[x + 1], middle, below[x - 1])
                )
            for x in (0, n_columns - 1):
                row[x] = LEAST_TRUSTED + _bend(above[x], here[x], below[x])
        else:
            for x in range(1, n_columns - 1):
                row[x] = LEAST_TRUSTED + _bend(here[x - 1], here[x], here[x + 1])
            row[0] = row[n_columns - 1] = 2 * LEAST_TRUSTED


@njit(nogil=True, cache=True)
def wall_off(walls: NDArray[np.bool_], unreliability: Reliability) -> None:
    """Make steps to walls the last ones, and the pixels beside walls like a border."""
    n_rows, n_columns = walls.shape
    for y in range(n_rows):
        for x in range(n_columns):
            if not walls[y, x]:
                continue
            unreliability[y, x] = np.inf
            for v in range(max(y - 1, 0), min(y + 2, n_rows)):
                for u in range(max(x - 1, 0), min(x + 2, n_columns)):
                    if unreliability[v, u] < LEAST_TRUSTED:
                        unreliability[v, u] += LEAST_TRUSTED


@njit(nogil=True, cache=True)
def find_residues(
    wrapped: NDArray[np.float32], charges: Charges, n_expected: int
) -> NDArray[np.int64]:
    """Write the residue of each face (Y - 1, X - 1); return the faces that have one."""
    n_rows, n_columns = charges.shape
    seeds = np.empty(n_expected, np.int64)
    n_seeds = 0
    per_turn = np.float32(1 / TURN)
    for y in range(n_rows):
        above, below = wrapped[y], wrapped[y + 1]
        for x in range(n_columns):
            top = np.rint((above[x + 1] - above[x]) * per_turn)
            right = np.rint((below[x + 1] - above[x + 1]) * per_turn)
            bottom = np.rint((below[x + 1] - below[x]) * per_turn)
            left = np.rint((below[x] - above[x]) * per_turn)
            charge = (bottom + left) - (top + right)
            if charge != 0:
                charges[y, x] = np.int32(charge)
                seeds[n_seeds] = y * n_columns + x
                n_seeds += 1
    return seeds[:n_seeds]


@njit(nogil=True, cache=True)
def _side_weight(unreliability: Reliability, y: int, x: int, side: int) -> float:
    """Return the weight of the step (pixel pair) that bounds face (y, x) on `side`."""
    if side == TOP:
        return unreliability[y, x] + unreliability[y, x + 1]
    if side == RIGHT:
        return unreliability[y, x + 1] + unreliability[y + 1, x + 1]
    if side == BOTTOM:
        return unreliability[y + 1, x] + unreliability[y + 1, x + 1]
    return unreliability[y, x] + unreliability[y + 1, x]


@njit(nogil=True, cache=True)
def _across(face: int, side: int, n_rows: int, n_columns: int) -> int:
    """Return the face beyond `side`, or `NONE` outside of the frame."""
    y, x = face // n_columns, face % n_columns
    if side == TOP:
        return face - n_columns if y > 0 else NONE
    if side == RIGHT:
        return face + 1 if x + 1 < n_columns else NONE
    if side == BOTTOM:
        return face + n_columns if y + 1 < n_rows else NONE
    return face - 1 if x > 0 else NONE


@njit(nogil=True, cache=True)
def _root(parents: Charges, tree: int) -> int:
    while parents[tree] != tree:
        parents[tree] = parents[parents[tree]]
        tree = parents[tree]
    return tree


@njit(nogil=True, cache=True)
def _meld(
    first: int, second: int, weights: Reliability, links: NDArray[np.int32]
) -> int:
    """Return the root of two pairing heaps joined; `links` is (child, sibling)."""
    if first == NONE:
        return second
    if second == NONE:
        return first
    if weights[first] < weights[second]:
        first, second = second, first
    links[second, 1] = links[first, 0]
    links[first, 0] = second
    return first


@njit(nogil=True, cache=True)
def _without_top(top: int, weights: Reliability, links: NDArray[np.int32]) -> int:
    """Return the root of a pairing heap after its top is taken off."""
    pending = NONE
    child = links[top, 0]
    while child != NONE:
        partner = links[child, 1]
        following = NONE
        links[child, 1] = NONE
        if partner != NONE:
            following = links[partner, 1]
            links[partner, 1] = NONE
        pair = _meld(child, partner, weights, links)
        links[pair, 1] = pending
        pending = pair
        child = following
    root = NONE
    while pending != NONE:
        following = links[pending, 1]
        links[pending, 1] = NONE
        root = _meld(root, pending, weights, links)
        pending = following
    return root


@njit(nogil=True, cache=True)
def grow_trees(
    seeds: NDArray[np.int64], charges: Charges, unreliability: Reliability
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the branches of each face (bit ``1 << side``) and the faces reached."""
    n_rows, n_columns = charges.shape
    n_faces = n_rows * n_columns
    flat_charges = charges.ravel()
    owners = np.zeros(n_faces, np.int32)
    branches = np.zeros(n_faces, np.uint8)
    reached = np.empty(n_faces, np.int64)
    n_reached = 0

    n_trees = seeds.size
    parents = np.arange(n_trees).astype(np.int32)
    tree_charges = np.empty(n_trees, np.int32)
    sizes = np.ones(n_trees, np.int32)
    is_settled = np.zeros(n_trees, np.bool_)
    heaps = np.arange(n_trees).astype(np.int32)

    capacity = 8 * n_trees + 4096
    weights = np.empty(capacity, np.float64)
    half_steps = np.empty(capacity, np.int64)
    links = np.full((capacity, 2), NONE, np.int32)
    n_nodes = n_trees
    spare = NONE

    queue = np.empty(n_trees, np.int32)
    for tree in range(n_trees):
        face = seeds[tree]
        owners[face] = tree + 1
        reached[n_reached] = face
        n_reached += 1
        tree_charges[tree] = flat_charges[face]
        weights[tree] = np.inf
        half_steps[tree] = 8 * face + WAITING
        queue[tree] = tree
    head, n_queued = 0, n_trees

    while n_queued > 0:
        tree = queue[head]
        head = (head + 1) % n_trees
        n_queued -= 1
        if parents[tree] != tree or is_settled[tree] or tree_charges[tree] == 0:
            continue
        patience = sizes[tree] + 1
        while patience > 0 and heaps[tree] != NONE:
            node = heaps[tree]
            face, side = half_steps[node] >> 3, half_steps[node] & 7
            heaps[tree] = _without_top(node, weights, links)
            links[node, 1] = spare
            spare = node
            expand = face
            came_from = NONE
            if side != WAITING:
                beyond = _across(face, side, n_rows, n_columns)
                if beyond == NONE:
                    branches[face] |= 1 << side
                    is_settled[tree] = True
                    break
                opposite = (side + 2) % 4
                if owners[beyond] == 0:
                    owners[beyond] = tree + 1
                    branches[face] |= 1 << side
                    branches[beyond] |= 1 << opposite
                    reached[n_reached] = beyond
                    n_reached += 1
                    sizes[tree] += 1
                    patience -= 1
                    expand = beyond
                    came_from = opposite
                else:
                    other = _root(parents, owners[beyond] - 1)
                    if other == tree:
                        continue
                    branches[face] |= 1 << side
                    branches[beyond] |= 1 << opposite
                    if sizes[other] > sizes[tree]:
                        tree, other = other, tree
                    parents[other] = tree
                    sizes[tree] += sizes[other]
                    tree_charges[tree] += tree_charges[other]
                    is_settled[tree] |= is_settled[other]
                    heaps[tree] = _meld(heaps[tree], heaps[other], weights, links)
                    break
            y, x = expand // n_columns, expand % n_columns
            for side in range(4):
                if side == came_from:
                    continue
                beyond = _across(expand, side, n_rows, n_columns)
                if beyond != NONE and owners[beyond] == tree + 1:
                    continue
                if spare != NONE:
                    node = spare
                    spare = links[node, 1]
                else:
                    if n_nodes == capacity:
                        weights = np.concatenate((weights, np.empty_like(weights)))
                        half_steps = np.concatenate(
                            (half_steps, np.empty_like(half_steps))
                        )
                        links = np.concatenate((links, np.full_like(links, NONE)))
                        capacity *= 2
                    node = n_nodes
                    n_nodes += 1
                links[node, 0] = NONE
                links[node, 1] = NONE
                weights[node] = _side_weight(unreliability, y, x, side)
                half_steps[node] = 8 * expand + side
                heaps[tree] = _meld(heaps[tree], node, weights, links)
        if tree_charges[tree] != 0 and not is_settled[tree]:
            queue[(head + n_queued) % n_trees] = tree
            n_queued += 1
    return branches, reached[:n_reached]


@njit(nogil=True, cache=True)
def settle(
    branches: NDArray[np.uint8],
    reached: NDArray[np.int64],
    charges: Charges,
    top: NDArray[np.float32],
    down: NDArray[np.int32],
) -> None:
    """Let the residues flow from the leaves of each tree; write corrected turns.

    `top` (X - 1) receives those of the steps along row 0, `down` (Y - 1, X) those of
    the steps between rows. Steps along other rows follow from these.
    """
    n_rows, n_columns = charges.shape
    flat_charges = charges.ravel()
    for leaf in reached:
        face = leaf
        while True:
            branch = branches[face]
            if branch == 1:
                side = TOP
            elif branch == 2:
                side = RIGHT
            elif branch == 4:
                side = BOTTOM
            elif branch == 8:
                side = LEFT
            else:
                break
            branches[face] = 0
            charge = flat_charges[face]
            flat_charges[face] = 0
            y, x = face // n_columns, face % n_columns
            if side == LEFT:
                down[y, x] += charge
            elif side == RIGHT:
                down[y, x + 1] -= charge
            elif side == TOP and y == 0:
                top[x] -= charge
            face = _across(face, side, n_rows, n_columns)
            if face == NONE:
                break
            flat_charges[face] += charge
            branches[face] &= ~np.uint8(1 << ((side + 2) % 4))
