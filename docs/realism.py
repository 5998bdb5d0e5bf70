"""Statistics that compare simulated cells with measured ones, and their distances."""

from dataclasses import dataclass
from pathlib import Path

import imageio.v3
import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage, stats
from skimage import data
from skimage.measure import regionprops

from napari_qpm.specimens import CellClass, Specimens, simulate_cells
from napari_qpm.specimens.samples import ALPHA_UM3_PER_PG

PIXEL_UM = 0.627
"""Of a sister image of the A2780 set; these files do not state it."""
NOISE = 0.009
"""Standard deviation of the quietest measured backgrounds [pg/µm²]."""
BLUR_UM = 0.55
DRAWN_MARGIN_PX = 1
"""By how much the hand-drawn outlines lie outside the cells' edge."""
SMALLEST_PX = 60
N_SPLITS = 12
CROP = 256
CELL_PIXEL_UM = 0.107
"""Of scikit-image's picture of a cell, as its documentation states."""
PROFILE = np.linspace(0.02, 1.2, 60)


@dataclass(frozen=True)
class Quantity:
    """A distribution: name, axis label and ends of the plot."""

    name: str
    title: str
    highest: float
    lowest: float = 0.0


QUANTITIES = (
    Quantity("density", "dry mass density in cells [pg/µm²]", 3.5, -0.1),
    Quantity("area", "cell area [µm²]", 900),
    Quantity("mean", "mean density of a cell [pg/µm²]", 2.5),
    Quantity("peak", "highest density of a cell [pg/µm²]", 4.5),
    Quantity("eccentricity", "eccentricity", 1),
    Quantity("solidity", "solidity", 1, 0.6),
    Quantity("texture", "fine texture of a cell over its mean", 0.2),
)


@dataclass
class Sample:
    """Values of every quantity and power spectra, one entry a field."""

    values: dict[str, list[NDArray[np.float64]]]
    frequency: NDArray[np.float64]
    power: list[NDArray[np.float64]]
    images: list[NDArray[np.float64]]
    confluence: list[float]

    @property
    def mean_power(self) -> NDArray[np.float64]:
        """Geometric mean: fields of different confluence weigh alike."""
        return np.exp(np.mean(np.log(self.power), axis=0))

    def select(self, rows: list[int]) -> "Sample":
        """Return some fields."""
        return Sample(
            {name: [parts[i] for i in rows] for name, parts in self.values.items()},
            self.frequency,
            [self.power[i] for i in rows],
            [self.images[i] for i in rows],
            [self.confluence[i] for i in rows],
        )


def measured(folder: Path) -> Sample:
    """Return the statistics of the A2780 set (density images, hand-drawn cells)."""
    fields = []
    for path in sorted(folder.glob("*.tif")):
        density = tifffile.imread(path).astype(np.float64)
        mask = imageio.v3.imread(path.with_suffix(".png")) > 0
        fields.append((density, ndimage.label(mask)[0]))
    return _summarise(fields)


def simulated(confluence: list[float], seed: int = 0) -> Sample:
    """Return the statistics of simulated colonies of the same confluence."""
    fields = []
    rng = np.random.default_rng(seed)
    for index, covered in enumerate(confluence):
        batch = simulate_cells(
            1,
            seed=seed + index,
            kinds="colony",
            shape=(600, 600),
            pixel_um=PIXEL_UM,
            confluence=covered,
            shares=(0.88, 0.02, 0.08, 0.02),
            blur_um=BLUR_UM,
        )
        density = batch.opd_um[0].double().numpy() / ALPHA_UM3_PER_PG
        density += rng.normal(0, NOISE, density.shape)
        fields.append((density, drawn_by_hand(batch)))
    return _summarise(fields)


def drawn_by_hand(batch: Specimens) -> NDArray[np.int32]:
    """Return labels as annotators draw them: a margin, gaps, and no debris."""
    is_debris = batch.class_map()[0] == CellClass.DEBRIS
    array = batch.labels[0].masked_fill(is_debris, 0).numpy()
    grown = ndimage.grey_dilation(array, size=(2 * DRAWN_MARGIN_PX + 1,) * 2)
    array = np.where(array > 0, array, grown)
    lowest = ndimage.minimum_filter(np.where(array > 0, array, 10**6), 3)
    is_gap = (array > 0) & (lowest < array)
    return np.where(is_gap, 0, array).astype(np.int32)


def _summarise(fields: list[tuple[NDArray[np.float64], NDArray[np.int32]]]) -> Sample:
    values: dict[str, list[NDArray[np.float64]]] = {q.name: [] for q in QUANTITIES}
    spectra = [radial_power(density) for density, _ in fields]
    for density, labels in fields:
        rows = _cells(density, labels)
        values["density"].append(density[labels > 0])
        for name, column in rows.items():
            values[name].append(column)
    return Sample(
        values,
        spectra[0][0],
        [power for _, power in spectra],
        [density for density, _ in fields],
        [float((labels > 0).mean()) for _, labels in fields],
    )


def _cells(
    density: NDArray[np.float64], labels: NDArray[np.int32]
) -> dict[str, NDArray[np.float64]]:
    """Return one value a cell of each quantity."""
    fine = density - ndimage.gaussian_filter(density, 1.5)
    rows = []
    for region in regionprops(labels, intensity_image=density):
        if region.area < SMALLEST_PX:
            continue
        inside = ndimage.binary_erosion(region.image, iterations=3)
        texture = fine[region.slice][inside].std() if inside.sum() > 20 else np.nan
        rows.append(
            (
                region.area * PIXEL_UM**2,
                region.intensity_mean,
                region.intensity_max,
                region.eccentricity,
                region.solidity,
                texture / region.intensity_mean,
            )
        )
    names = ("area", "mean", "peak", "eccentricity", "solidity", "texture")
    columns = np.array(rows, np.float64).reshape(-1, len(names)).T
    return {name: c[np.isfinite(c)] for name, c in zip(names, columns, strict=True)}


def radial_power(
    image: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return frequency [1/µm] and mean power of a windowed field, over its sum."""
    window = np.outer(*(np.hanning(side) for side in image.shape))
    flat = (image - image.mean()) * window
    power = np.abs(np.fft.fft2(flat)) ** 2 / (flat**2).sum()
    fy, fx = (np.fft.fftfreq(side) for side in image.shape)
    edges = np.geomspace(4 / image.shape[0], 0.45, 28)
    bins = np.digitize(np.hypot(fy[:, None], fx), edges)
    total = np.bincount(bins.ravel(), power.ravel(), len(edges) + 1)[1:-1]
    count = np.bincount(bins.ravel(), minlength=len(edges) + 1)[1:-1]
    return np.sqrt(edges[1:] * edges[:-1]) / PIXEL_UM, total / count


def distances(real: Sample, model: Sample) -> dict[str, float]:
    """Return Wasserstein distances over the real standard deviation, and of spectra."""
    found = {}
    for quantity in QUANTITIES:
        a = np.concatenate(real.values[quantity.name])
        b = np.concatenate(model.values[quantity.name])
        found[quantity.name] = float(stats.wasserstein_distance(a, b) / a.std())
    decades = np.log10(real.mean_power) - np.log10(model.mean_power)
    found["spectrum"] = float(np.sqrt((decades**2).mean()))
    return found


def split_distances(real: Sample) -> dict[str, float]:
    """Return the mean distances between random halves of the measured fields."""
    rng = np.random.default_rng(0)
    rows = np.arange(len(real.images))
    found = []
    for _ in range(N_SPLITS):
        order = rng.permutation(rows).tolist()
        half = len(order) // 2
        found.append(distances(real.select(order[:half]), real.select(order[half:])))
    return {name: float(np.mean([f[name] for f in found])) for name in found[0]}


def densest(sample: Sample) -> NDArray[np.float64]:
    """Return the fullest window of the fullest field."""
    image = sample.images[int(np.argmax(sample.confluence))]
    filled = ndimage.uniform_filter(image, CROP)
    half = CROP // 2
    inner = filled[half:-half, half:-half]
    y, x = np.unravel_index(inner.argmax(), inner.shape)
    return image[y : y + CROP, x : x + CROP]


def measured_profile() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return distance over radius and phase of scikit-image's cell, 1 inside."""
    image = data.cell().astype(np.float64)
    image -= np.median(image)
    smooth = ndimage.gaussian_filter(image, 2)
    labels = ndimage.label(smooth > 0.5 * np.percentile(smooth[smooth > 50], 50))[0]
    largest = np.bincount(labels.ravel())[1:].argmax() + 1
    return PROFILE, _profile(image, labels == largest)


def simulated_profiles(count: int) -> NDArray[np.float64]:
    """Return profiles of lone floating cells on the same grid."""
    batch = simulate_cells(
        count,
        seed=3,
        kinds="suspension",
        shape=(512, 512),
        pixel_um=CELL_PIXEL_UM,
        confluence=0.1,
        shares=(1, 0, 0, 0),
        overlap=0.0,
        clumping=0.0,
    )
    profiles = []
    for opd, labels in zip(batch.opd_um.double().numpy(), batch.labels, strict=True):
        for region in regionprops(labels.numpy()):
            mask = labels.numpy() == region.label
            around = ndimage.distance_transform_edt(~mask) < 0.25 * np.sqrt(region.area)
            is_cut = around[[0, -1]].any() or around[:, [0, -1]].any()
            if not is_cut and not (labels.numpy()[around & ~mask] > 0).any():
                profiles.append(_profile(opd, mask))
    return np.array(profiles)


def _profile(
    image: NDArray[np.float64], mask: NDArray[np.bool_]
) -> NDArray[np.float64]:
    y, x = ndimage.center_of_mass(mask)
    # The same rule for both: the radius of the area above half of the inner mean.
    inner = ndimage.binary_erosion(mask, iterations=int(np.sqrt(mask.sum()) / 5))
    radius = np.sqrt((image[mask] > 0.5 * image[inner].mean()).sum() / np.pi)
    v, u = np.indices(image.shape)
    distance = np.hypot(v - y, u - x) / radius
    step = PROFILE[1] - PROFILE[0]
    rings = [image[np.abs(distance - d) < step / 2 + 0.5 / radius] for d in PROFILE]
    profile = np.array([ring.mean() for ring in rings])
    return profile / profile[PROFILE < 0.5].mean()
