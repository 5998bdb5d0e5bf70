"""Pictures and procedural textures as phase objects: structure that no cell has.

Networks that see only cells learn cells. These objects teach phase in general: the
pictures that scikit-image carries in its own package (nothing is downloaded), clouds
of many scales, lines, blobs and steps.
"""

import functools
import math
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_qpm.errors import ParameterError, UnknownNameError
from napari_qpm.specimens._draws import Draws
from napari_qpm.specimens.batch import Specimens

__all__ = ["PICTURES", "ObjectKind", "simulate_objects"]

PICTURES = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "retina.jpg",
    "rocket.jpg",
)
"""Files inside scikit-image's package."""


class ObjectKind(StrEnum):
    """Families of objects."""

    PICTURE = "picture"
    """Crops of scikit-image's pictures, grey level as optical path."""
    CLOUDS = "clouds"
    """Noise with a spectrum ``f^-b``, b from 1 to 3."""
    BLOBS = "blobs"
    """Smooth random droplets on an empty ground."""
    LINES = "lines"
    """Smooth warped stripes of changing pitch, as fibres and ridges."""
    STEPS = "steps"
    """Terraces with steep edges, as etched targets."""


def simulate_objects(
    n: int,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    shape: tuple[int, int] = (256, 256),
    kinds: tuple[ObjectKind, ...] = tuple(ObjectKind),
    highest_opd_um: tuple[float, float] = (0.05, 1.0),
) -> Specimens:
    """Return `n` objects whose optical path runs from 0 to a drawn maximum.

    Parameters
    ----------
    n
        Number of images.
    seed
        The same seed and options give the same objects.
    device
        Where the images are made and stay.
    shape
        ``(Y, X)`` [px].
    kinds
        Families to draw from.
    highest_opd_um
        Range of the largest optical path of an image [um].

    Returns
    -------
    Specimens
        Without labels, absorption or pixel size.
    """
    asked: Any = kinds
    families: list[Any] = [asked] if isinstance(asked, str) else list(asked)
    kinds = tuple(families)
    known = [str(kind) for kind in ObjectKind]
    for kind in kinds:
        if str(kind) not in known:
            raise UnknownNameError("kind of object", str(kind), known)
    if min(shape) < 16 or not kinds or not 0 <= highest_opd_um[0] <= highest_opd_um[1]:
        raise ParameterError(
            "Objects need at least 16 x 16 pixels, a kind, and a rising range of "
            f"optical paths, not {shape}, {kinds}, {highest_opd_um}."
        )
    where, draws = torch.device(device), Draws(seed)
    chosen = draws.integers(0, len(kinds), n)
    images = torch.zeros(n, *shape, device=where)
    for index, kind in enumerate(kinds):
        rows = torch.nonzero(chosen == index).flatten()
        if len(rows):
            made = _MAKERS[ObjectKind(str(kind))](len(rows), shape, draws, where)
            images[rows.to(where)] = _normalised(made)
    highest = draws.uniform(*highest_opd_um, n).to(where)
    opd = images * highest[:, None, None]
    return Specimens(
        opd_um=opd,
        labels=torch.zeros(n, *shape, dtype=torch.int32, device=where),
        amplitude=torch.ones_like(opd),
    ).to(where)


def _normalised(images: Tensor) -> Tensor:
    """Return images from 0 to 1."""
    low = images.amin(dim=(1, 2), keepdim=True)
    span = images.amax(dim=(1, 2), keepdim=True) - low
    return (images - low) / span.clamp(min=1e-6)


@functools.cache
def _picture(name: str) -> Tensor:
    """Return a grey picture ``(1, 1, Y, X)`` from 0 to 1."""
    from pathlib import Path

    import skimage
    from skimage.io import imread

    path = Path(skimage.__file__).parent / "data" / name
    array = np.asarray(imread(path), np.float32)
    if array.ndim == 3:
        array = array[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    return torch.from_numpy(array / 255)[None, None]


def _pictures(
    n: int, shape: tuple[int, int], draws: Draws, device: torch.device
) -> Tensor:
    """Return crops of random size, resized, flipped, turned and at times inverted."""
    images = []
    which = draws.integers(0, len(PICTURES), n)
    chances = draws.uniform(0, 1, n, 7)
    for index, chance in zip(which.tolist(), chances.tolist(), strict=True):
        picture = _picture(PICTURES[index])
        height, width = picture.shape[-2:]
        largest = min(height / shape[0], width / shape[1])
        scale = largest * (0.4 + 0.6 * chance[0])
        crop_y, crop_x = (max(8, int(scale * side)) for side in shape)
        y = int(chance[1] * (height - crop_y))
        x = int(chance[2] * (width - crop_x))
        crop = picture[..., y : y + crop_y, x : x + crop_x].to(device)
        image = functional.interpolate(
            crop, size=shape, mode="bilinear", align_corners=False, antialias=True
        )[0, 0]
        if chance[3] < 0.5:
            image = image.flip(0)
        if chance[4] < 0.5:
            image = image.flip(1)
        if chance[5] < 0.5 and shape[0] == shape[1]:
            image = image.T
        images.append(1 - image if chance[6] < 0.3 else image)
    return torch.stack(images)


def _noise(
    exponent: Tensor, shape: tuple[int, int], draws: Draws, device: torch.device
) -> Tensor:
    """Return noise of standard deviation 1 with the spectrum ``f^-exponent``."""
    white = draws.normal(0, 1, len(exponent), *shape).to(device)
    fy = torch.fft.fftfreq(shape[0], device=device)[:, None]
    fx = torch.fft.rfftfreq(shape[1], device=device)
    frequency = torch.hypot(fy, fx)
    frequency[0, 0] = math.inf
    weight = frequency ** -exponent.to(device)[:, None, None]
    noise = torch.fft.irfft2(torch.fft.rfft2(white) * weight, s=shape)
    normalised: Tensor = noise / noise.std(dim=(1, 2), keepdim=True)
    return normalised


def _clouds(
    n: int, shape: tuple[int, int], draws: Draws, device: torch.device
) -> Tensor:
    return _noise(draws.uniform(1.0, 3.0, n), shape, draws, device)


def _blobs(
    n: int, shape: tuple[int, int], draws: Draws, device: torch.device
) -> Tensor:
    level = draws.uniform(0.2, 1.2, n).to(device)[:, None, None]
    clouds = _noise(draws.uniform(1.9, 2.8, n), shape, draws, device)
    rough = 0.08 * _noise(draws.uniform(1.0, 1.6, n), shape, draws, device)
    inside = (clouds - level).clamp(min=0)
    return inside.sqrt() + rough * (inside > 0)


def _lines(
    n: int, shape: tuple[int, int], draws: Draws, device: torch.device
) -> Tensor:
    y, x = torch.meshgrid(
        *(torch.arange(side, device=device) / 64 for side in shape), indexing="ij"
    )
    turn = draws.angle(n).to(device)[:, None, None]
    pitch = draws.uniform(0.5, 4.0, n).to(device)[:, None, None]
    warp = _noise(draws.uniform(2.2, 3.0, n), shape, draws, device)
    wave = 2 * math.pi * pitch * (y * turn.sin() + x * turn.cos()) + 1.5 * warp
    depth = 0.6 + 0.4 * torch.tanh(_noise(torch.full((n,), 2.5), shape, draws, device))
    return depth * (0.5 + 0.5 * wave.cos()) ** 2


def _steps(
    n: int, shape: tuple[int, int], draws: Draws, device: torch.device
) -> Tensor:
    count = draws.integers(2, 6, n).to(device)[:, None, None]
    clouds = _normalised(_noise(draws.uniform(2.4, 3.2, n), shape, draws, device))
    at = clouds * count
    # Edges of about two pixels: sharper ones no objective resolves.
    edge = ((at - at.floor() - 0.5) * 6).clamp(-0.5, 0.5) + 0.5
    return at.floor() + edge


_MAKERS: dict[
    ObjectKind, Callable[[int, tuple[int, int], Draws, torch.device], Tensor]
] = {
    ObjectKind.PICTURE: _pictures,
    ObjectKind.CLOUDS: _clouds,
    ObjectKind.BLOBS: _blobs,
    ObjectKind.LINES: _lines,
    ObjectKind.STEPS: _steps,
}
