"""Models compute in the precision and on the device of their images."""

import pytest
import torch

from napari_qpm.physics import (
    ChromaticBrightfield,
    Detector,
    DiffractiveNetwork,
    FourierFilter,
    OffAxisInterferometer,
    PolarizationCamera,
    Pupil,
)

SHAPE = (32, 32)
SMOOTH = {"background_rad": [[0.0, 2.0], [1.0, 0.5]], "unevenness": [[0.0, 0.1]]}


def objective():
    return Pupil(0.4, 0.5, 0.4, zernike_waves=[0, 0, 0, 0.05], defocus_um=2.0)


FRAME_MODELS = {
    "off-axis": lambda: OffAxisInterferometer(
        SHAPE,
        carrier_cycles_per_px=(0.2, 0.1),
        parasitic_visibility=[0.05],
        pupil=objective(),
        **SMOOTH,
    ),
    "polarization": lambda: PolarizationCamera(
        SHAPE, pupil=objective(), extinction_ratio=0.01, **SMOOTH
    ),
    "point-diffraction": lambda: PolarizationCamera(
        SHAPE, reference_wave="point-diffraction", pinhole_cycles_per_px=0.05
    ),
    "unscattered": lambda: PolarizationCamera(SHAPE, reference_wave="unscattered"),
    "chromatic": lambda: ChromaticBrightfield(
        SHAPE, na=0.5, pixel_um=0.3, focus_curve_um=(1, 0, 50), margin_px=8
    ),
    "abbe": lambda: ChromaticBrightfield(
        SHAPE, na=0.5, pixel_um=0.3, coherence="abbe", n_source_points=5, margin_px=8
    ),
}
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def phase_of(dtype=torch.float64):
    rng = torch.Generator().manual_seed(2)
    return torch.rand(2, *SHAPE, generator=rng, dtype=torch.float64).to(dtype) / 4


@pytest.mark.parametrize("name", FRAME_MODELS)
def test_frames_have_the_precision_of_the_phase(name):
    model = FRAME_MODELS[name]()
    double, single = model(phase_of()), model(phase_of(torch.float32))
    assert double.dtype == torch.float64
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-5)


@pytest.mark.gpu
@gpu
@pytest.mark.parametrize("name", FRAME_MODELS)
def test_gpu_gives_the_frames_of_the_cpu(name):
    model = FRAME_MODELS[name]()
    expected = model(phase_of())
    frames = model.to("cuda")(phase_of().to("cuda"))
    assert frames.is_cuda
    torch.testing.assert_close(frames.cpu(), expected, rtol=0, atol=1e-9)


@pytest.mark.gpu
@gpu
@pytest.mark.parametrize("optics", [FourierFilter(32), DiffractiveNetwork(32, 2)])
def test_gpu_learns_like_the_cpu(optics):
    def gradient(device):
        phase = phase_of(torch.float32).to(device)
        optics.to(device).zero_grad()
        optics(torch.polar(torch.ones_like(phase), phase)).square().sum().backward()
        return next(optics.parameters()).grad.cpu()

    torch.testing.assert_close(gradient("cuda"), gradient("cpu"), rtol=1e-3, atol=1e-3)


@pytest.mark.gpu
@gpu
def test_gpu_camera_draws_from_its_own_generator():
    camera = Detector(gain_e_per_count=2.0, read_noise_e=1.0, bit_depth=12).to("cuda")
    light = torch.full((1, 1, 200, 200), 100.0, device="cuda")
    counts = camera(light, torch.Generator("cuda").manual_seed(1))
    assert float(counts.var()) == pytest.approx(
        float(camera.variance(light).mean()), rel=0.05
    )
