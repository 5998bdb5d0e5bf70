import pytest
import torch

from napari_qpm.calibration.cutoff import find_support, optics_of
from napari_qpm.instrument import Instrument
from napari_qpm.physics.models import detector_for, model_for
from napari_qpm.physics.pupil import Pupil

CARRIER = (0.25, 0.27)
CAMERA = Instrument(
    sideband_cycles_per_px=CARRIER,
    visibility=0.7,
    brightness_counts=1500,
    gain_e_per_count=2.5,
    bit_depth=12,
)


def hologram(cutoff, roughness):
    rng = torch.Generator().manual_seed(1)
    phase = roughness * torch.randn(1, 384, 384, generator=rng)
    pupil = Pupil(na=cutoff, wavelength_um=1.0, pixel_um=1.0)
    model = model_for(CAMERA, "off-axis", (384, 384), pupil=pupil)
    return detector_for(CAMERA)(model(phase), rng)[0, 0].numpy()


@pytest.mark.parametrize("cutoff", [0.07, 0.1, 0.13])
@pytest.mark.parametrize("roughness", [0.1, 0.4])
def test_edge_of_a_scattering_specimen_is_the_cutoff(cutoff, roughness):
    support = find_support(hologram(cutoff, roughness), CARRIER)
    # Rings of one bin (1/384) make the edge uncertain by one.
    assert support.radius == pytest.approx(cutoff, abs=1.5 / 384)
    assert abs(support.radius - cutoff) < 2 * support.uncertainty


def test_smooth_specimen_fades_without_an_edge():
    model = model_for(CAMERA, "off-axis", (384, 384))
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, 384),) * 2, indexing="ij")
    phase = 3 * torch.exp(-((y**2 + x**2) / 0.09))[None]
    rng = torch.Generator().manual_seed(1)
    frame = detector_for(CAMERA)(model(phase), rng)[0, 0].numpy()
    assert find_support(frame, CARRIER).radius is None


def test_edge_gives_the_unknown_aperture_or_pixel_size():
    support = find_support(hologram(0.1, 0.4), CARRIER)
    known = Instrument(wavelength_nm=500, pixel_size_um=0.2)
    _, found = optics_of(support, known)
    assert found["numerical_aperture"].value == pytest.approx(0.25, rel=0.05)
    known = Instrument(wavelength_nm=500, numerical_aperture=0.25)
    _, found = optics_of(support, known)
    assert found["pixel_size_um"].value == pytest.approx(0.2, rel=0.05)
    _, found = optics_of(support, Instrument(wavelength_nm=500))
    assert found["numerical_aperture"].value is None
    assert "two of which" in found["numerical_aperture"].how


@pytest.mark.parametrize(("stated", "verdict"), [(0.25, "agree"), (0.5, "wrong")])
def test_stated_aperture_is_compared(stated, verdict):
    support = find_support(hologram(0.1, 0.4), CARRIER)
    known = Instrument(wavelength_nm=500, pixel_size_um=0.2, numerical_aperture=stated)
    text, found = optics_of(support, known)
    assert verdict in text
    assert not found
