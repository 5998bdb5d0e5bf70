"""Endless recordings of a polarization camera with the truth about their cells.

Cells are simulated, or measured maps with outlines drawn by hand are recorded anew.
They are turned, mirrored and zoomed first, so that each recording obeys the physics of
the camera; the phase is what four steps give, freed of its whole turns by the truth.
"""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from napari_qpm.errors import ParameterError
from napari_qpm.networks import input_channels
from napari_qpm.physics import (
    Detector,
    PolarizationCamera,
    legendre_surface,
    one_thread,
)
from napari_qpm.training.augmentation import augment
from napari_qpm.training.cell_maps import (
    A2780_FOLDER,
    A2780_TRAINING,
    CellMaps,
    draw_cell_maps,
    read_a2780,
)
from napari_qpm.training.recipe import Batch
from napari_qpm.training.seeds import Dice, seed_of

__all__ = [
    "CellDomain",
    "CellStream",
    "InputStatistics",
    "cut_piece",
    "four_step",
    "statistics_of",
]

WAVELENGTH_UM = 0.532
MARGIN = 1.25
"""Simulated maps are this much larger than what is cut out of them."""
NOISE_SIGMA_PX = 3.0
BITS = 12
BRIGHTNESS = 0.35
"""Mean light of an empty pixel, in units of the camera's full scale."""
STATISTICS_SAMPLES, STATISTICS_SEED = 64, 97
QUANTILES = (0.005, 0.995)
_RANGES = ("size_px", "confluence", "strength", "visibility", "electrons")


@dataclass(frozen=True, kw_only=True)
class CellDomain:
    """Which recordings are made; ranges are ``(low, high)``.

    Parameters
    ----------
    shape
        ``(Y, X)`` of the samples, multiples of 32 from 64 on.
    size_px, confluence
        Diameters of simulated cells, and the covered share.
    strength
        Factor on the optical path: other cells, media and wavelengths.
    zoom, zoom_share, turn_share
        Range of magnification, and the shares of samples that are magnified and turned
        by any angle; all are mirrored and turned by quarters.
    oversampling
        Share of a batch that is centred on a cell.
    visibility, unevenness, background_rad
        Fringe contrast, and largest relative deviation of the light and largest height
        of the phase of an empty field.
    residual_rad
        Largest height of the background that stays in the phase.
    phase_noise_rad
        Largest deviation of smooth noise on the phase.
    electrons, read_noise_e
        Light of an empty pixel and read noise of the camera.
    real_maps, real_share
        Folder of the public set of A2780 cells, of whose five training images this
        share of the samples is; empty = simulations only.
    augments
        Whether recorded images are changed as nnU-Net changes them.
    reuse
        Steps for which simulated maps are kept.
    """

    shape: tuple[int, int] = (128, 128)
    size_px: tuple[float, float] = (16.0, 56.0)
    confluence: tuple[float, float] = (0.05, 0.9)
    strength: tuple[float, float] = (0.6, 1.6)
    zoom: tuple[float, float] = (0.7, 1.4)
    zoom_share: float = 0.2
    turn_share: float = 0.2
    oversampling: float = 0.33
    visibility: tuple[float, float] = (0.5, 1.0)
    unevenness: float = 0.3
    background_rad: float = 3.0
    residual_rad: float = 0.4
    phase_noise_rad: float = 0.08
    electrons: tuple[float, float] = (2e3, 2e4)
    read_noise_e: float = 5.0
    real_maps: str = ""
    real_share: float = 0.5
    augments: bool = True
    reuse: int = 4

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))
        if len(self.shape) != 2 or any(n < 64 or n % 32 for n in self.shape):
            raise ParameterError(
                f"shape is two multiples of 32 from 64 on, not {self.shape}."
            )
        for name in _RANGES:
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ParameterError(
                    f"{name} is a range of positive numbers, not ({low}, {high})."
                )
        if self.reuse < 1:
            raise ParameterError("reuse is at least 1.")


@dataclass(frozen=True, eq=False)
class InputStatistics:
    """What the channels of a training set are like, ``(C,)`` each.

    Angles are shifted by their mean and divided by their standard deviation; the phase
    is clipped to what all but a hundredth of the pixels have, and brought to 0 to 1.
    """

    mean: Tensor
    deviation: Tensor
    low: Tensor
    high: Tensor


class CellStream:
    """Samples as a function of seed and step.

    Parameters
    ----------
    domain
        What is recorded.
    inputs, drop_angle
        As of the network.
    seed, device, batch_size
        Of the samples.
    """

    def __init__(
        self,
        domain: CellDomain,
        inputs: str,
        drop_angle: int | None,
        seed: int,
        device: torch.device,
        batch_size: int,
    ):
        self.domain, self.seed = domain, int(seed)
        self.device, self.batch_size = device, int(batch_size)
        self.channels = input_channels(inputs, drop_angle)
        self._number = -1
        self._drawn: CellMaps | None = None
        self._real: CellMaps | None = None
        if domain.real_maps:
            self._real = read_a2780(_real_folder(domain.real_maps), A2780_TRAINING)

    @torch.no_grad()
    def batch(self, step: int) -> Batch:
        """Return inputs ``(N, C, Y, X)`` and targets ``(N, 3, Y, X)``."""
        with one_thread():
            dice = Dice(seed_of(self.seed, 2, step))
            opd_um, target = self._cut(self._maps(step // self.domain.reuse), dice)
            strength = dice.log_uniform(*self.domain.strength, self.batch_size)
            opd_um = opd_um * strength[:, None, None].to(self.device)
            images = self._record(2 * math.pi / WAVELENGTH_UM * opd_um, step, dice)
            if self.domain.augments:
                images = augment(images, dice)
            return Batch(images, target)

    def _maps(self, number: int) -> CellMaps:
        """Return the simulated maps of this number, drawn when it changes."""
        if self._drawn is None or self._number != number:
            height, width = (math.ceil(MARGIN * side) for side in self.domain.shape)
            self._drawn = draw_cell_maps(
                self.batch_size,
                (height, width),
                seed=seed_of(self.seed, 1, number),
                device=self.device,
                size_px=self.domain.size_px,
                confluence=self.domain.confluence,
            )
            self._number = number
        return self._drawn

    def _cut(self, simulated: CellMaps, dice: Dice) -> tuple[Tensor, Tensor]:
        """Return optical path ``(N, Y, X)`` and targets of turned pieces of maps."""
        n = self.batch_size
        n_centred = round(self.domain.oversampling * n)
        order = dice.order(n).tolist()
        is_real = dice.happens(self.domain.real_share, n).tolist()
        paths, targets = [], []
        for k in range(n):
            maps, index = simulated, order[k]
            if self._real is not None and is_real[k]:
                maps, index = self._real, dice.integer(len(self._real))
            answers = maps.answers[index]
            centre = self._centre(answers[0], k >= n - n_centred, dice)
            smooth = torch.cat([maps.opd_um[index][None], answers[1:]])
            smooth, classes = cut_piece(smooth, answers[:1], centre, self.domain, dice)
            paths.append(smooth[0])
            targets.append(torch.cat([classes, smooth[1:]]))
        return torch.stack(paths), torch.stack(targets)

    def _centre(
        self, cells: Tensor, is_centred: bool, dice: Dice
    ) -> tuple[float, float]:
        """Return ``(y, x)`` [px] of the middle of a piece."""
        wanted = [float(dice.uniform(0, side, 1)) for side in cells.shape]
        if is_centred and bool((cells > 0).any()):
            places = torch.nonzero(cells > 0)
            wanted = [float(v) for v in places[dice.integer(len(places))]]
        return wanted[0], wanted[1]

    def _record(self, phase: Tensor, step: int, dice: Dice) -> Tensor:
        """Return the network's input ``(N, C, Y, X)`` of the phase of specimens."""
        domain, n = self.domain, self.batch_size
        full_scale = float(2**BITS)
        brightness = BRIGHTNESS * full_scale
        height = domain.background_rad * dice.uniform(0, 1, n)
        background = surface(dice, n, 2, height)
        background[:, 0, 0] = dice.uniform(-math.pi, math.pi, n)
        camera = PolarizationCamera(
            domain.shape,
            visibility=dice.uniform(*domain.visibility, n),
            brightness_counts=brightness,
            unevenness=surface(dice, n, 2, domain.unevenness * dice.uniform(0, 1, n)),
            background_rad=background,
            mosaic=False,
        ).to(self.device)
        detector = Detector(
            gain_e_per_count=dice.log_uniform(*domain.electrons, n) / brightness,
            read_noise_e=domain.read_noise_e,
            bit_depth=BITS,
            exact_poisson=False,
        ).to(self.device)
        generator = torch.Generator(self.device)
        generator.manual_seed(seed_of(self.seed, 3, step))
        angles = detector(camera(phase), generator)
        empty = legendre_surface(background.to(self.device), phase)
        found = four_step(angles, phase + empty) - empty
        found = found + self._leftover(dice, phase)
        angles = angles / angles.mean(dim=(1, 2, 3), keepdim=True).clamp(min=1e-6)
        every = torch.cat([angles, found[:, None]], dim=1)
        names = input_channels("dual")
        return every[:, [names.index(name) for name in self.channels]]

    def _leftover(self, dice: Dice, like: Tensor) -> Tensor:
        """Return background ``(N, Y, X)`` that no fit takes out, and smooth noise."""
        domain, n = self.domain, self.batch_size
        height = domain.residual_rad * dice.uniform(0, 1, n)
        residual = surface(dice, n, 3, height)
        residual[:, 0, 0] = 0.3 * domain.residual_rad * dice.normal(n)
        rough = dice.normal(
            n, 1, *(math.ceil(s / NOISE_SIGMA_PX) for s in domain.shape)
        )
        smooth = functional.interpolate(
            rough, size=domain.shape, mode="bicubic", align_corners=False
        )[:, 0]
        size = domain.phase_noise_rad * dice.uniform(0, 1, n, 1, 1)
        return legendre_surface(residual.to(like), like) + (size * smooth).to(like)


def cut_piece(
    smooth: Tensor,
    classes: Tensor,
    centre: tuple[float, float],
    domain: CellDomain,
    dice: Dice,
) -> tuple[Tensor, Tensor]:
    """Return one piece, mirrored, turned and zoomed; what lies outside is mirrored.

    Parameters
    ----------
    smooth
        ``(C, Y, X)`` images, interpolated between pixels.
    classes
        ``(C, Y, X)`` of which the nearest pixel is taken.
    centre
        ``(y, x)`` [px] of its middle; it is moved until the piece lies inside.
    domain
        Shape of the piece, and how often it is turned and zoomed.
    """
    quarter, mirror = dice.integer(4), 1 - 2 * dice.integer(2)
    turn, factor = dice.uniform(-math.pi, math.pi, 1), dice.uniform(*domain.zoom, 1)
    angle = quarter * math.pi / 2
    if bool(dice.happens(domain.turn_share, 1)):
        angle += float(turn)
    zoom = float(factor) if bool(dice.happens(domain.zoom_share, 1)) else 1.0
    height, width = smooth.shape[1:]
    h, w = domain.shape
    cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
    y, x = (
        min(max(middle, side / 2), max(side / 2, whole - side / 2))
        for middle, side, whole in zip(
            centre, domain.shape, (height, width), strict=True
        )
    )
    theta = torch.tensor(
        [
            [mirror * cos * w / width, -sin * h / width, 2 * x / width - 1],
            [mirror * sin * w / height, cos * h / height, 2 * y / height - 1],
        ],
        device=smooth.device,
    )
    grid = functional.affine_grid(theta[None], [1, 1, h, w], align_corners=False)
    cut, nearest = (
        functional.grid_sample(
            part[None], grid, mode, "reflection", align_corners=False
        )[0]
        for part, mode in ((smooth, "bilinear"), (classes, "nearest"))
    )
    return cut, nearest


def four_step(angles: Tensor, total: Tensor) -> Tensor:
    """Return the phase ``(N, Y, X)`` of four images, its turns counted by the truth.

    Parameters
    ----------
    angles
        ``(N, 4, Y, X)`` at 0, 45, 90 and 135 degrees.
    total
        ``(N, Y, X)`` true phase [rad], that of the empty field included.
    """
    i0, i45, i90, i135 = angles.unbind(1)
    wrapped = torch.atan2(i135 - i45, i0 - i90)
    off = wrapped - total
    return total + off - 2 * math.pi * torch.round(off / (2 * math.pi))


def surface(dice: Dice, n: int, order: int, height: Tensor) -> Tensor:
    """Return random Legendre coefficients up to an order that sum to a height."""
    i = torch.arange(order + 1)
    total = i[:, None] + i
    weight = torch.where((total > 0) & (total <= order), 1.0 / total.clamp(min=1), 0.0)
    coefficients = weight * dice.normal(n, order + 1, order + 1)
    size = coefficients.abs().sum(dim=(1, 2), keepdim=True)
    return coefficients * (height[:, None, None] / size)


def statistics_of(
    domain: CellDomain, inputs: str, drop_angle: int | None
) -> InputStatistics:
    """Return what the inputs of a domain are like, before augmentation."""
    plain = dataclasses.replace(domain, augments=False)
    device = torch.device("cpu")
    stream = CellStream(
        plain, inputs, drop_angle, STATISTICS_SEED, device, STATISTICS_SAMPLES
    )
    images = stream.batch(0).inputs
    mean = images.mean(dim=(0, 2, 3))
    deviation = images.std(dim=(0, 2, 3))
    bound = 1e4 * torch.ones_like(mean)
    low, high = -bound, bound
    if "phase" in stream.channels:
        pixels = images[:, -1, ::2, ::2].flatten()
        bounds = torch.quantile(pixels, torch.tensor(QUANTILES))
        low[-1], high[-1] = bounds
        mean[-1], deviation[-1] = low[-1], high[-1] - low[-1]
    return InputStatistics(mean, deviation, low, high)


def _real_folder(given: str) -> Path:
    """Return the folder of the set, which may be given by the folder it lies in."""
    folder = Path(given).expanduser()
    inner = folder / A2780_FOLDER
    return inner if inner.is_dir() else folder
