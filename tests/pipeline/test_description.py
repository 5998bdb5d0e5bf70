import numpy as np
import pytest

from napari_qpm.acquisition import Acquisition, Modality
from napari_qpm.errors import ModalityError, ParameterError, UnknownNameError
from napari_qpm.pipeline import EngineStep, Pipeline, PipelineError


def recording(modality: str | None = "phase") -> Acquisition:
    return Acquisition.from_array(np.zeros((2, 16, 16), np.float32), modality)


def test_default_pipeline_does_the_main_job() -> None:
    pipeline = Pipeline()
    assert pipeline.segment == EngineStep(engine="watershed")
    assert pipeline.measure == {}
    assert pipeline.stabilise


def test_pipeline_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Pipeline().stabilise = False  # type: ignore[misc]


def test_leaving_out_segmentation_leaves_out_measurement() -> None:
    assert Pipeline(segment=None).measure is None


def test_measurement_without_segmentation_is_refused() -> None:
    with pytest.raises(PipelineError, match="nothing to measure without segmentation"):
        Pipeline(segment=None, measure={})


def test_engine_may_be_given_by_name_alone() -> None:
    pipeline = Pipeline.parse({"retrieve": "fourier", "segment": "watershed"})
    assert pipeline.retrieve == EngineStep(engine="fourier")


@pytest.mark.parametrize(
    ("values", "message", "keys"),
    [
        ({"retreive": {}}, "Did you mean 'retrieve'", ("retreive",)),
        ({"segment": {"engin": "x"}}, "Did you mean 'engine'", ("segment", "engin")),
        (
            {"retrieve": {"engine": "fourrier"}},
            "no phase engine named 'fourrier'. Did you mean 'fourier'",
            ("retrieve", "engine"),
        ),
        (
            {"retrieve": {"engine": "fourier", "parameters": {"backgruond": "tilt"}}},
            "no parameter named 'backgruond'. Did you mean 'background'",
            ("retrieve", "parameters", "backgruond"),
        ),
        (
            {"modality": "phase", "retrieve": {"parameters": {"background": "tlt"}}},
            "background = 'tlt': Input should be 'none', 'offset'",
            ("retrieve", "parameters", "background"),
        ),
        (
            {"instrument": {"wavelenght_nm": 633}},
            "Did you mean 'wavelength_nm'",
            ("instrument", "wavelenght_nm"),
        ),
        (
            {"instrument": {"pixel_size_um": -1}},
            "pixel_size_um is a positive number, not -1",
            ("instrument", "pixel_size_um"),
        ),
        ({"modality": "offaxis"}, "modality = 'offaxis' cannot be used", ("modality",)),
        ({"version": 2}, "Install a newer napari-qpm", ("version",)),
        ({"stabilise": 17}, "stabilise = 17 cannot be used", ("stabilise",)),
    ],
)
def test_mistake_is_named_with_its_entry(
    values: dict[str, object], message: str, keys: tuple[str, ...]
) -> None:
    with pytest.raises(PipelineError) as caught:
        Pipeline.parse(values)
    assert message in str(caught.value)
    assert caught.value.keys == keys


def test_pipeline_errors_are_parameter_errors() -> None:
    with pytest.raises(ParameterError):
        Pipeline.parse(["retrieve"])


def test_unknown_parameter_of_the_default_engine_fails_before_a_frame_is_read() -> None:
    class Unreadable:
        shape = (2, 1, 16, 16)
        dtype = np.dtype(np.float32)

        def read(self, t: int) -> np.ndarray:
            pytest.fail("a frame was read")

    pipeline = Pipeline(retrieve=EngineStep(parameters={"backgruond": "tilt"}))
    acquisition = Acquisition(source=Unreadable(), modality=Modality.PHASE)
    with pytest.raises(ParameterError, match="backgruond"):
        pipeline.complete(acquisition)


def test_complete_states_every_engine_and_parameter() -> None:
    complete = Pipeline().complete(recording())
    assert complete.modality is Modality.PHASE
    assert complete.retrieve.engine == "as-is"
    assert complete.retrieve.parameters["background"] == "none"
    assert complete.segment is not None
    assert "fill_holes" in complete.segment.parameters
    assert complete.measure
    assert complete.complete(recording()) == complete


def test_texts_of_parameters_become_values() -> None:
    step = EngineStep(engine="as-is", parameters={"background_order": "3"})
    complete = Pipeline(retrieve=step).complete(recording())
    assert complete.retrieve.parameters["background_order"] == 3


def test_unknown_modality_asks_which_it_is() -> None:
    with pytest.raises(ModalityError, match="Say which it is with modality="):
        Pipeline().complete(recording(None))


def test_pipeline_overrides_modality_and_instrument() -> None:
    pipeline = Pipeline(modality="off-axis", instrument={"wavelength_nm": 633})
    prepared = pipeline.prepare(recording())
    assert prepared.modality is Modality.OFF_AXIS
    assert prepared.instrument.wavelength_nm == 633


def test_plain_values_give_the_same_pipeline() -> None:
    pipeline = Pipeline(
        modality="polarization",
        instrument={"handedness": "negative"},
        retrieve=EngineStep(engine="four-step"),
        measure=None,
    )
    assert Pipeline.parse(pipeline.to_dict()) == pipeline


def test_description_says_what_is_done() -> None:
    pipeline = Pipeline(
        modality="phase",
        retrieve=EngineStep(engine="as-is", parameters={"background": "tilt"}),
        measure=None,
    )
    assert pipeline.describe().splitlines() == [
        "Retrieve the phase of a phase recording with as-is (background = tilt)",
        "Stabilise the series",
        "Segment cells with watershed",
    ]


def test_unknown_engine_error_lists_engines() -> None:
    with pytest.raises(PipelineError) as caught:
        Pipeline(retrieve=EngineStep(engine="magic"))
    assert isinstance(caught.value.__cause__, UnknownNameError)
    assert "as-is, four-step, fourier" in str(caught.value)
