import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_qpm.demo import DemoOutcome, can_show, run_demo
from napari_qpm.demo.main_job import simulate as simulate_sample


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> DemoOutcome:
    return run_demo(tmp_path_factory.mktemp("demo"))


def test_demo_agrees_with_what_was_simulated(outcome: DemoOutcome) -> None:
    c = outcome.comparison
    assert c.found_share > 0.9
    assert c.mean_iou > 0.85
    # Noise and the outline each cost well below 1 % of a cell of 400 pg.
    assert c.mass_deviation < 0.03
    np.testing.assert_allclose(c.field_mass_pg, c.true_field_mass_pg, rtol=0.02)
    assert c.growth_per_h == pytest.approx(c.true_growth_per_h, abs=0.005)


def test_summary_says_that_it_is_simulated(outcome: DemoOutcome) -> None:
    text = outcome.describe()
    assert text.startswith("A SIMULATED recording")
    assert "pg, the median cell (simulated: " in text
    assert "per hour, doubling in" in text
    assert outcome.summary()["simulated"] is True


def test_picture_shows_outlines_in_their_colour(outcome: DemoOutcome) -> None:
    image = np.asarray(Image.open(io.BytesIO(outcome.picture.read_bytes())))
    assert image.shape[2] == 3
    assert min(image.shape[:2]) > 500
    outline = (image == (255, 176, 0)).all(axis=-1)
    assert outline.sum() > 1000


def test_demo_can_run_again_in_the_same_folder(
    outcome: DemoOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(kind: str):  # type: ignore[no-untyped-def]
        return simulate_sample(kind, n_frames=3, shape=(192, 192), n_cells=2)

    monkeypatch.setattr("napari_qpm.demo.main_job.simulate", small)
    folder: Path = outcome.picture.parent
    assert run_demo(folder).result.phase_map.n_frames == 3


@pytest.mark.parametrize(
    ("display", "binding", "expected"),
    [("", True, False), (":0", False, False), (":0", True, True)],
)
def test_window_opens_only_with_display_and_qt(
    monkeypatch: pytest.MonkeyPatch, display: str, binding: bool, expected: bool
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: object() if binding else None
    )
    assert can_show() is expected
