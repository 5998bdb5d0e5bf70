import numpy as np

import napari_qpm as qpm

from .conftest import Run


def test_camera_is_measured_and_taken_out_of_a_recording(
    qpm_command: Run, recording, tmp_path
) -> None:
    shape = qpm.open(recording).shape[2:]
    rng = np.random.default_rng(0)
    dark = rng.normal(50, 2, (4, *shape)).astype(np.uint16)
    flat = (dark[:1] + 1000.0).astype(np.uint16).repeat(4, axis=0)
    for name, frames in (("dark", dark), ("flat", flat)):
        np.save(tmp_path / f"{name}.npy", frames)
    camera = tmp_path / "camera.npz"
    made = qpm_command(
        *(
            "calibrate",
            "--dark",
            tmp_path / "dark.npy",
            "--flat",
            tmp_path / "flat.npy",
        ),
        *("-o", camera, "--modality", "polarization", "--json"),
    )
    assert made.code == 0, made.stderr
    outcome = qpm_command(
        "apply-calibration", camera, recording, "-o", tmp_path / "out", "--json"
    )
    assert outcome.code == 0, outcome.stderr
    corrected = qpm.open(outcome.events[-1]["paths"][0])
    raw = qpm.open(recording)
    assert corrected.modality is raw.modality
    assert corrected.shape == raw.shape
    shift = np.nanmedian(raw.read(0) - corrected.read(0))
    assert 40 < shift < 60
