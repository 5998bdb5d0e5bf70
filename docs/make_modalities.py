"""One specimen through every simulated microscope, and holograms beside real ones.

    python docs/make_modalities.py [RECORDINGS] [-o docs/images]

With the folder of the shared recordings, the fringe spectra and the noise of simulated
holograms are drawn beside those of real ones.
"""

import argparse
import io
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image

import napari_qpm as qpm
from napari_qpm.calibration import fit_instrument
from napari_qpm.physics import (
    ChromaticBrightfield,
    Detector,
    DiffractiveNetwork,
    FourierFilter,
    OffAxisInterferometer,
    PolarizationCamera,
    assume_gain,
    demagnify,
    detector_for,
    model_for,
)
from napari_qpm.specimens import simulate_cells

PIXEL_UM = 0.21
WAVELENGTH_NM = 532.0
HOLOGRAMS = {
    "Glioblastoma": "oah-glioblastoma/Glioblastoma.jpg",
    "Red blood cells": "oah-rbc-nontelecentric/RBCnotele50x.tiff",
    "HL60": "oah-hl60-reference/hologram_cell.npz",
}


def save(figure, target):
    """Write a figure as a PNG of 192 colours."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=80)
    plt.close(figure)
    picture = Image.open(buffer).convert("RGB")
    picture.quantize(192, dither=Image.Dither.NONE).save(target, optimize=True)


def draw_modalities(target):
    """Draw the raw frame that each microscope makes of the same cells."""
    cells = simulate_cells(
        1,
        seed=5,
        shape=(256, 256),
        pixel_um=PIXEL_UM,
        kinds="adherent",
        confluence=(0.5, 0.5),
    )
    phase = cells.phase(WAVELENGTH_NM)
    generator = torch.Generator().manual_seed(0)
    camera = Detector(gain_e_per_count=2.5, read_noise_e=4.0, bit_depth=12)

    def expose(mean_counts):
        return camera(mean_counts, generator)[0].detach().numpy()

    hologram = expose(
        OffAxisInterferometer(
            (256, 256),
            carrier_cycles_per_px=(0.2, 0.17),
            visibility=0.7,
            brightness_counts=1800.0,
            parasitic_visibility=(0.05,),
            parasitic_cycles_per_px=((0.03, 0.05),),
        )(phase)
    )[0]
    polarization = {"visibility": 0.8, "brightness_counts": 1800.0}
    mosaic = expose(PolarizationCamera((256, 256), **polarization)(phase))[0]
    angles = expose(PolarizationCamera((256, 256), mosaic=False, **polarization)(phase))
    colour = expose(
        ChromaticBrightfield(
            (256, 256),
            na=0.5,
            pixel_um=PIXEL_UM,
            focus_curve_um=(0.4, -12.0, 120.0),
            crosstalk=0.1,
            brightness_counts=1800.0,
        )(cells.opd_um)
    )
    field = torch.polar(torch.ones_like(phase), phase)
    learned = demagnify(FourierFilter(256, generator=generator)(field), 8)
    diffracted = demagnify(
        DiffractiveNetwork(256, window=2, generator=generator)(field), 8
    )

    figure, axes = plt.subplots(2, 5, figsize=(17, 7.2), layout="constrained")
    grey = {"cmap": "gray", "interpolation": "nearest"}
    balanced = colour / np.median(colour, axis=(1, 2), keepdims=True)
    shown = np.clip((balanced - 0.7) / 0.6, 0, 1).transpose(1, 2, 0)
    panels = [
        (phase[0].numpy(), "specimen: phase [rad]", grey),
        (hologram, "off-axis hologram, 12 bit", grey),
        (hologram[:64, :64], "a quarter of its side", grey),
        (mosaic, "polarization mosaic, 12 bit", grey),
        (mosaic[:32, :32], "an eighth of its side", grey),
        (angles[0], "behind 0 deg", grey),
        (angles[1], "behind 45 deg", grey),
        (shown, "colour brightfield, 0.7 to 1.3 of the median", {}),
        (learned[0].detach().numpy(), "Fourier filter (untrained), x64", grey),
        (diffracted[0].detach().numpy(), "five phase masks (untrained), x64", grey),
    ]
    for axis, (image, title, options) in zip(axes.flat, panels, strict=True):
        axis.imshow(image, **options)
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    save(figure, target)


def spectrum_along(frame, carrier):
    """Return the mean power across a line through zero and the carrier."""
    image = np.asarray(frame, float)
    image = image / image.mean() - 1
    window = np.hanning(image.shape[0])[:, None] * np.hanning(image.shape[1])
    power = np.abs(np.fft.fft2(image * window)) ** 2 / (window**2).sum()
    fy = np.fft.fftfreq(image.shape[0])[:, None]
    fx = np.fft.fftfreq(image.shape[1])[None]
    length = float(np.hypot(*carrier))
    along = (fy * carrier[0] + fx * carrier[1]) / length
    across = np.abs(fy * carrier[1] - fx * carrier[0]) / length
    edges = np.linspace(0, 0.6, 121)
    near = across < 0.02
    total = np.histogram(along[near], edges, weights=power[near])[0]
    count = np.histogram(along[near], edges)[0]
    return (edges[1:] + edges[:-1]) / 2, total / np.maximum(count, 1)


def noise_of(frame):
    """Return the noise of a frame over its mean, from its emptiest frequencies."""
    image = np.asarray(frame, float)
    power = np.abs(np.fft.fft2(image / image.mean() - 1)) ** 2 / image.size
    return float(np.sqrt(np.quantile(power, 0.1) / -np.log(0.9)))


def simulate(instrument, shape, phase, amplitude):
    """Return the frame ``(Y, X)`` that an instrument makes of a field."""
    model = model_for(instrument, "off-axis", shape)
    generator = torch.Generator().manual_seed(0)
    counts = detector_for(instrument)(model(phase, amplitude), generator)
    return counts[0, 0].detach().numpy()


def distances(real, simulated, carrier):
    """Return the rms [decades] between spectra, in the sideband and outside."""
    position, one = spectrum_along(real, carrier)
    other = spectrum_along(simulated, carrier)[1]
    filled = (one > 0) & (other > 0)
    gap = np.log10(other[filled] / one[filled])
    length = float(np.hypot(*carrier))
    inside = np.abs(position[filled] - length) < length / 3
    return tuple(np.sqrt(np.mean(gap[part] ** 2)) for part in (inside, ~inside))


def draw_holograms(folder, target):
    """Fit each microscope, simulate cells in it, and compare spectra and noise."""
    figure, axes = plt.subplots(2, 3, figsize=(15, 7.5), layout="constrained")
    for column, (name, file) in enumerate(HOLOGRAMS.items()):
        acquisition = qpm.open(folder / file)
        fit = fit_instrument([acquisition])
        real = acquisition.read(0)[0]
        instrument = fit.instrument
        retrieved = qpm.retrieve(acquisition, grid="full")
        phase = torch.as_tensor(retrieved.read(0))[None]
        measured = np.asarray(retrieved.amplitude[0])
        amplitude = torch.as_tensor(measured / np.median(measured))[None]
        exposed, note = assume_gain(instrument)
        simulated, clean = (
            simulate(facts, real.shape, phase, amplitude)
            for facts in (exposed, exposed.replace(scattered_share=0.0))
        )
        carrier = instrument.sideband_cycles_per_px
        side = min(96, *real.shape)
        source = "assumed gain" if note else "fitted gain"
        lines = (
            (real, f"{name}, real", {"lw": 1.2, "zorder": 3}),
            (simulated, f"simulated from its fit, {source}", {"lw": 2.2}),
            (clean, "the same without scattered light", {"lw": 0.9, "ls": ":"}),
        )
        for frame, title, style in lines:
            position, power = spectrum_along(frame, carrier)
            label = f"{title}: noise {noise_of(frame):.4f}"
            axes[0, column].semilogy(position, power, label=label, **style)
        axes[0, column].set_ylim(bottom=1e-5)
        near, far = distances(real, simulated, carrier)
        far_before = distances(real, clean, carrier)[1]
        axes[0, column].set_title(
            f"power along the carrier: rms {near:.2f} decades in the sideband, "
            f"{far:.2f} outside",
            fontsize=9,
        )
        axes[0, column].set_xlabel("cycles/px")
        axes[0, column].legend(fontsize=8)
        pair = np.concatenate(
            [
                real[:side, :side] / real.mean(),
                simulated[:side, :side] / simulated.mean(),
            ],
            axis=1,
        )
        axes[1, column].imshow(
            pair, cmap="gray", interpolation="nearest", vmin=0, vmax=2
        )
        axes[1, column].set_title("left real, right simulated (a corner)", fontsize=10)
        axes[1, column].set_axis_off()
        share, band = instrument.scattered_share, instrument.scattered_cycles_per_px
        print(
            f"{name}: scattered light {share:.4f} within {band:.3f} cycles/px; "
            f"spectrum rms {near:.2f} decades in the sideband, {far:.2f} outside "
            f"(without scattered light {far_before:.2f}); noise/mean real "
            f"{noise_of(real):.4f}, simulated {noise_of(simulated):.4f}. {note}"
        )
    save(figure, target)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path, nargs="?")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/images"))
    arguments = parser.parse_args()
    draw_modalities(arguments.output / "gallery-modalities.png")
    if arguments.recordings is not None:
        draw_holograms(
            arguments.recordings, arguments.output / "real-and-simulated-holograms.png"
        )


if __name__ == "__main__":
    main()
