"""Engines are found by name and modality, without importing them."""

import subprocess
import sys

import pytest

from napari_qpm.acquisition import Acquisition, Modality
from napari_qpm.errors import UnknownNameError
from napari_qpm.retrieval import PHASE_ENGINES, PhaseEngine, make_phase_engine
from napari_qpm.retrieval.engines import default_engine


@pytest.mark.parametrize("entry", list(PHASE_ENGINES), ids=lambda entry: entry.name)
def test_every_engine_keeps_what_its_entry_promises(entry):
    engine = make_phase_engine(entry.name)
    assert isinstance(engine, PhaseEngine)
    assert (engine.name, engine.title) == (entry.name, entry.title)
    assert engine.modality.value == entry.modality
    for name, field in engine.Parameters.model_fields.items():
        assert field.title, name
        assert field.description, name


@pytest.mark.parametrize(
    ("modality", "expected"),
    [("polarization", "four-step"), ("off-axis", "fourier"), ("phase", "as-is")],
)
def test_default_engine_is_the_classical_one(modality, expected, rng):
    frames = rng.normal(size=(1, 1, 8, 8))
    assert default_engine(Acquisition.from_array(frames, modality)) == expected


def test_every_modality_has_a_default_engine(rng):
    frames = rng.normal(size=(1, 3, 8, 8))
    for modality in Modality:
        name = default_engine(Acquisition.from_array(frames, modality))
        assert PHASE_ENGINES[name].modality == modality.value


def test_misspelt_engine_is_suggested():
    with pytest.raises(UnknownNameError, match="Did you mean 'fourier'"):
        make_phase_engine("furier")


def test_misspelt_parameter_is_suggested():
    with pytest.raises(UnknownNameError, match="Did you mean 'filter_radius'"):
        make_phase_engine("fourier", filter_radus=0.3)


def test_listing_engines_loads_no_kernels():
    code = (
        "import sys, napari_qpm.retrieval.engines as e; list(e.PHASE_ENGINES);"
        "sys.exit('napari_qpm.retrieval.off_axis_engine' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
