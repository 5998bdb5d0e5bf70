"""What is known of a trained model: the content of its ``model.json``."""

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from napari_qpm.errors import FileFormatError, ParameterError

__all__ = ["FORMAT_VERSION", "MULTIPLE_PX", "ModelSpec", "require_model_name"]

FORMAT_VERSION = 1
"""Of ``model.json``; raised when an older napari-qpm could not use the model."""
VERSION_KEY = "format_version"
MULTIPLE_PX = 32
OVERLAP_PX = 256
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")
_PHASE = "phase"


def require_model_name(name: str) -> str:
    """Return the name of a model, which is also the name of its folder.

    Raises
    ------
    ParameterError
        It is no such name.
    """
    if not _NAME.fullmatch(name):
        raise ParameterError(
            f"{name!r} is no name for a model: use small letters, digits, '-', '_' and "
            "'.', and begin with a letter or digit."
        )
    return name


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A trained network and what it may be used for.

    Parameters
    ----------
    name, title
        Key of the model, and its name for people.
    kind
        What it gives: ``"phase"``.
    architecture, config
        Key of `runtime.architectures.ARCHITECTURES`, and what its builder takes:
        ``in_channels``, ``range_rad``, ``connections``, ``width``.
    modality
        Kind of recording it takes.
    preprocessing
        How a frame becomes the network's input: ``{"input": "heterodyne"}`` or
        ``"raw"``.
    valid
        Ranges ``(low, high)`` it was trained for: ``period_px``, ``phase_rad``,
        ``size_px``.
    tile
        ``multiple`` of the sides, ``tile_px`` and ``overlap_px`` of tiles.
    training
        What made the weights: recipe, config, seed, steps, samples, minutes, device,
        revision.
    metrics
        Held-out scores.
    base
        Model that this one was adapted from.
    licence
        Of the weights.
    sha256
        Of ``weights.safetensors``.
    created
        Date, ISO 8601.
    """

    name: str
    title: str
    kind: str
    architecture: str
    modality: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    valid: Mapping[str, Any] = field(default_factory=dict)
    tile: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    base: str | None = None
    licence: str = "BSD-3-Clause"
    sha256: str = ""
    created: str = ""

    def __post_init__(self) -> None:
        require_model_name(self.name)
        if self.in_channels < 1 or self.multiple_px < 1 or self.overlap_px < 0:
            raise ParameterError(
                f"{self.name}: in_channels and the multiple of sides are at least 1, "
                "the overlap of tiles at least 0."
            )

    @property
    def in_channels(self) -> int:
        """Channels of the network's input."""
        return int(self.config.get("in_channels", 1))

    @property
    def output_scale(self) -> float:
        """Factor from the network's output to its unit, for phase radians."""
        scale = self.config.get("range_rad", 1.0) if self.kind == _PHASE else 1.0
        return float(scale)

    @property
    def multiple_px(self) -> int:
        """The network takes sides that are multiples of this."""
        return int(self.tile.get("multiple", MULTIPLE_PX))

    @property
    def tile_px(self) -> int | None:
        """Largest side of a tile when a frame does not fit; None = what fits."""
        side = self.tile.get("tile_px")
        return None if side is None else int(side)

    @property
    def overlap_px(self) -> int:
        """Overlap of neighbouring tiles."""
        return int(self.tile.get("overlap_px", OVERLAP_PX))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, format version included."""
        return {VERSION_KEY: FORMAT_VERSION, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "model") -> "ModelSpec":
        """Return the spec of what `to_dict` gave.

        Raises
        ------
        FileFormatError
            The values are of a newer version, incomplete, or not a model's.
        """
        _require_version(values, where)
        known = {f.name: f for f in dataclasses.fields(cls)}
        given = {key: value for key, value in values.items() if key != VERSION_KEY}
        unknown = sorted(given.keys() - known.keys())
        if unknown:
            raise FileFormatError(
                f"{where} describes {', '.join(unknown)}, which is not known here."
            )
        for name, value in given.items():
            wanted = Mapping if known[name].default_factory is dict else str
            if not (isinstance(value, wanted) or (name == "base" and value is None)):
                kind = "text" if wanted is str else "an object"
                raise FileFormatError(f"{where}: {name} is {kind}, not {value!r}.")
        try:
            return cls(**given)
        except (TypeError, ValueError, ParameterError) as error:
            raise FileFormatError(f"{where} is no model: {error}") from error

    @classmethod
    def load(cls, path: Path) -> "ModelSpec":
        """Return the spec in a ``model.json``.

        Raises
        ------
        FileFormatError
            The file cannot be read, or is not a model's.
        """
        try:
            state = path.stat()
        except OSError as error:
            raise FileFormatError(f"{path} cannot be read: {error}") from error
        return _loaded(path, state.st_mtime_ns, state.st_size)

    def dump(self, path: Path) -> None:
        """Write the spec as readable JSON."""
        text = json.dumps(self.to_dict(), indent=1, default=str, ensure_ascii=False)
        path.write_text(text + "\n", "utf-8")


@lru_cache(maxsize=256)
def _loaded(path: Path, changed_ns: int, n_bytes: int) -> ModelSpec:
    """Return the spec in a file as it was at that time.

    Read once: viewers ask for the list of models at every move of a slider.
    """
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path} cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise FileFormatError(f"{path} is no model: it holds no object.")
    spec = ModelSpec.from_dict(values, str(path))
    if not _HASH.fullmatch(spec.sha256):
        raise FileFormatError(f"{path} lacks sha256, the hash of the weights.")
    return spec


def _require_version(values: Mapping[str, Any], where: str) -> None:
    version = values.get(VERSION_KEY)
    if type(version) is not int:
        raise FileFormatError(f"{where} is no model: it states no {VERSION_KEY}.")
    if version > FORMAT_VERSION:
        raise FileFormatError(
            f"{where} has format version {version}, made by a newer napari-qpm; this "
            f"one reads up to {FORMAT_VERSION}. Update napari-qpm."
        )
