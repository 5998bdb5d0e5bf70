"""Which features feed which decoder stage of the phase-retrieval nets, and the cost.

Plain Python without torch. Features: ``E1`` to ``E8`` from the encoder, ``G``, the
pooled ground feature, and ``D1`` to ``D8``, the decoder stages. A connection is named
``"E3->D2"``.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_qpm.errors import FileFormatError, ParameterError
from napari_qpm.files import write_atomically

__all__ = [
    "DEPTHS",
    "ENCODER_CHANNELS",
    "GROUND",
    "GROUND_SIZE",
    "STAGES",
    "STRIDES",
    "Connection",
    "ConnectionMask",
    "Cost",
    "connection_cost",
    "network_cost",
    "prune",
]

STAGES = range(1, 9)
GROUND = "G"
GROUND_SIZE = 3
ENCODER_CHANNELS = (32, 16, 24, 32, 64, 96, 160, 320)
"""Of the taps E1 to E8."""
STRIDES = (2, 2, 4, 8, 16, 16, 32, 32)
"""Of the taps and of the decoder stages of the same number."""
DEPTHS = tuple(min(256, 8 * stride // STRIDES[0]) for stride in STRIDES)
"""Channels of D1 to D8: 8 times the down-scaling relative to D1."""
KERNEL_AREA = 9
THRESHOLD = 1e-3
"""Weights below it are pruned."""
BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Encoder stages: expansion, channels, repeats, first stride."""
FILE_KEY = "connections"


@dataclass(frozen=True, order=True)
class Connection:
    """One feature that feeds one decoder stage.

    Parameters
    ----------
    stage
        Number of the decoder stage that is fed, 1 (finest) to 8.
    source
        Name of the feature.
    """

    stage: int
    source: str

    def __post_init__(self) -> None:
        if self.stage not in STAGES or self.source not in sources_of(self.stage):
            raise ParameterError(f"{self} is no connection of the network.")

    def __str__(self) -> str:
        return f"{self.source}->D{self.stage}"

    @classmethod
    def parse(cls, text: str) -> "Connection":
        """Return the connection of a name such as ``"E3->D2"``."""
        source, arrow, target = str(text).partition("->")
        if not arrow or target[:1] != "D" or not target[1:].isdigit():
            raise ParameterError(f"{text!r} is no connection; write it as 'E3->D2'.")
        return cls(int(target[1:]), source)


def sources_of(stage: int) -> list[str]:
    """Return what may feed a stage: the encoder, the ground, and deeper stages."""
    encoder = [f"E{level}" for level in STAGES]
    return [*encoder, GROUND, *(f"D{deeper}" for deeper in STAGES if deeper > stage)]


def channels_of(source: str) -> int:
    """Return the number of channels of a feature."""
    if source == GROUND:
        return ENCODER_CHANNELS[-1]
    table = DEPTHS if source[0] == "D" else ENCODER_CHANNELS
    return table[int(source[1:]) - 1]


def stride_of(source: str) -> int | None:
    """Return input pixels per pixel of a feature; None for the ground feature."""
    return None if source == GROUND else STRIDES[int(source[1:]) - 1]


@dataclass(frozen=True)
class ConnectionMask:
    """The connections that a network has.

    Parameters
    ----------
    connections
        Unique, and sorted by stage; at least one feeds D1.
    origin
        What is known of the search that found them.
    """

    connections: tuple[Connection, ...]
    origin: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        order = {c: n for n, c in enumerate(every_connection())}
        unique = sorted(set(self.connections), key=order.__getitem__)
        object.__setattr__(self, "connections", tuple(unique))
        if not self.into(1):
            raise ParameterError("No connection feeds D1, so nothing comes out.")
        dangling = {c.source for c in unique if c.source[0] == "D"} - {
            f"D{stage}" for stage in self.stages
        }
        if dangling:
            raise ParameterError(f"{', '.join(sorted(dangling))} has no input itself.")

    def __len__(self) -> int:
        return len(self.connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self.connections)

    @classmethod
    def full(cls) -> "ConnectionMask":
        """Return all 100 connections."""
        return cls(tuple(every_connection()))

    @classmethod
    def of(cls, *names: str) -> "ConnectionMask":
        """Return the connections of these names."""
        return cls(tuple(Connection.parse(name) for name in names))

    @property
    def stages(self) -> list[int]:
        """Numbers of the decoder stages that have an input."""
        return sorted({connection.stage for connection in self.connections})

    def into(self, stage: int) -> list[str]:
        """Return the features that feed a stage."""
        return [c.source for c in self.connections if c.stage == stage]

    @classmethod
    def load(cls, path: Path | str) -> "ConnectionMask":
        """Return the mask of a JSON file.

        Raises
        ------
        FileFormatError
            The file is not such a mask.
        """
        try:
            stored = json.loads(Path(path).read_text("utf-8"))
            names = stored[FILE_KEY]
            connections = tuple(Connection.parse(name) for name in names)
            return cls(connections, stored.get("origin"))
        except (OSError, ValueError, TypeError, KeyError, ParameterError) as error:
            raise FileFormatError(
                f"{path} holds no mask of connections: {error}"
            ) from error

    def dump(self, path: Path | str) -> None:
        """Write the mask as JSON; an earlier file is replaced only by a whole one."""
        stored: dict[str, Any] = {FILE_KEY: [str(c) for c in self.connections]}
        if self.origin is not None:
            stored["origin"] = dict(self.origin)
        write_atomically(Path(path), f"{json.dumps(stored, indent=1)}\n".encode())


def every_connection() -> list[Connection]:
    """Return the 100 candidates, finest stage first."""
    return [Connection(stage, s) for stage in STAGES for s in sources_of(stage)]


def prune(
    weights: Mapping[Connection, float], threshold: float = THRESHOLD
) -> ConnectionMask:
    """Return the connections that stay after the search.

    First those below the threshold go. Then, until nothing changes: stages without
    input go, and so do stages other than D1 that feed no other stage, each with its
    connections.

    Raises
    ------
    ParameterError
        Nothing that feeds D1 is left.
    """
    kept = {c for c, weight in weights.items() if weight >= threshold}
    while True:
        alive = {f"D{c.stage}" for c in kept}
        feeding = {c.source for c in kept} | {"D1"}
        stay = {
            c
            for c in kept
            if f"D{c.stage}" in feeding and (c.source[0] != "D" or c.source in alive)
        }
        if stay == kept:
            return ConnectionMask(tuple(kept))
        kept = stay


@dataclass(frozen=True)
class Cost:
    """Parameters, and multiply-accumulates of convolutions."""

    params: int
    macs: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.params + other.params, self.macs + other.macs)


def connection_cost(
    connection: Connection, shape: tuple[int, int] = (1024, 1024)
) -> Cost:
    """Return the cost of one connection for an input ``(Y, X)``.

    A larger feature is reduced first, so its convolution runs on the stage's grid; a
    smaller one is convolved on its own grid and enlarged after.
    """
    depth = DEPTHS[connection.stage - 1]
    params = KERNEL_AREA * channels_of(connection.source) * depth
    stride = stride_of(connection.source)
    if stride is None:
        return Cost(params, params * GROUND_SIZE**2)
    return Cost(
        params, params * _area(shape, max(stride, STRIDES[connection.stage - 1]))
    )


def network_cost(
    mask: Iterable[Connection],
    shape: tuple[int, int] = (1024, 1024),
    in_channels: int = 3,
) -> Cost:
    """Return the cost of the derived network (no weights, no connection norms)."""
    connections = list(mask)
    total = encoder_cost(shape, in_channels)
    for stage in {connection.stage for connection in connections}:
        depth, area = DEPTHS[stage - 1], _area(shape, STRIDES[stage - 1])
        kernel = KERNEL_AREA * depth**2
        total += Cost(kernel + 2 * depth, kernel * area)
    for connection in connections:
        total += connection_cost(connection, shape)
    head = KERNEL_AREA * DEPTHS[0]
    return total + Cost(head + 1, head * _area(shape, STRIDES[0]))


def encoder_cost(shape: tuple[int, int] = (1024, 1024), in_channels: int = 3) -> Cost:
    """Return the cost of the encoder; norms count two parameters a channel."""
    channels, stride = ENCODER_CHANNELS[0], STRIDES[0]
    stem = KERNEL_AREA * in_channels * channels
    total = Cost(stem + 2 * channels, stem * _area(shape, stride))
    for expansion, out, repeats, first_stride in BLOCKS:
        for repeat in range(repeats):
            hidden, before = expansion * channels, _area(shape, stride)
            stride *= first_stride if repeat == 0 else 1
            expand, project = channels * hidden, hidden * out
            spread = KERNEL_AREA * hidden
            after = _area(shape, stride)
            total += Cost(expand + 2 * hidden, expand * before)
            total += Cost(spread + 2 * hidden, spread * after)
            total += Cost(project + 2 * out, project * after)
            channels = out
    return total


def _area(shape: tuple[int, int], stride: int) -> int:
    return (shape[0] // stride) * (shape[1] // stride)
