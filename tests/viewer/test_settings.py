from types import SimpleNamespace

import pytest

from napari_qpm.acquisition import Modality
from napari_qpm.errors import ParameterError, UnknownNameError
from napari_qpm.viewer.settings import Settings, StepName


def test_only_engines_of_the_kind_are_offered():
    settings = Settings()

    names = {
        entry.name for entry in settings.engines(StepName.RETRIEVE, Modality.OFF_AXIS)
    }

    assert names == {"fourier", "nas-prnet", "qpretrieve"}
    assert settings.engines(StepName.RETRIEVE, None) == []


def test_networks_without_a_model_are_not_offered(monkeypatch):
    from napari_qpm.segmentation import dm_qpmnet_engine

    def offered():
        engines = Settings().engines(StepName.SEGMENT, Modality.PHASE)
        return [entry.name for entry in engines]

    monkeypatch.setattr(dm_qpmnet_engine, "cell_models", lambda needs_angles: [])
    assert offered() == ["watershed"]
    spec = SimpleNamespace(name="mine", title="Mine")
    monkeypatch.setattr(dm_qpmnet_engine, "cell_models", lambda needs_angles: [spec])
    assert offered() == ["watershed", "dm-qpmnet-phase"]


def test_choices_are_remembered_for_each_kind():
    settings = Settings()

    settings.choose(StepName.RETRIEVE, Modality.OFF_AXIS, "qpretrieve")

    assert settings.engine(StepName.RETRIEVE, Modality.OFF_AXIS) == "qpretrieve"
    assert settings.engine(StepName.RETRIEVE, Modality.PHASE) == "as-is"


def test_only_changed_parameters_enter_the_pipeline():
    settings = Settings()
    model = settings.model(StepName.RETRIEVE, Modality.PHASE)
    values = model().model_dump(mode="json") | {"background": "tilt"}

    settings.set_values(StepName.RETRIEVE, Modality.PHASE, values)
    pipeline = settings.pipeline(Modality.PHASE, {"wavelength_nm": 633.0})

    assert pipeline.retrieve.parameters == {"background": "tilt"}
    assert pipeline.retrieve.engine == "as-is"
    assert pipeline.instrument == {"wavelength_nm": 633.0}


@pytest.mark.parametrize(
    ("values", "error"),
    [({"background": "bumpy"}, ParameterError), ({"bakground": 1}, UnknownNameError)],
)
def test_impossible_values_are_refused(values, error):
    with pytest.raises(error):
        Settings().set_values(StepName.RETRIEVE, Modality.PHASE, values)
