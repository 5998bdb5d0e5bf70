"""What is remembered of runs, whatever the forms say afterwards."""

from tests.viewer.conftest import make_recording

from napari_qpm.pipeline import Pipeline
from napari_qpm.viewer.fields import FieldOfView, Role
from napari_qpm.viewer.runs import note_run, pipeline_as_run
from napari_qpm.viewer.settings import StepName

ALL = frozenset(range(4))


def made_field():
    field = FieldOfView(make_recording(4))
    field.done[Role.PHASE] = field.done[Role.CELLS] = ALL
    return field


def test_each_step_is_remembered_as_it_ran():
    field = made_field()
    first = Pipeline.parse({"retrieve": {"parameters": {}}, "segment": "watershed"})
    later = Pipeline.parse({"stabilise": False, "measure": {"alpha_ml_g": 0.18}})
    note_run(field, StepName.RETRIEVE, first, ALL)
    note_run(field, StepName.SEGMENT, first, ALL)
    note_run(field, StepName.MEASURE, later, ALL)
    assert pipeline_as_run(field) is None

    field.table = object()
    pipeline = pipeline_as_run(field)

    assert pipeline.stabilise
    assert pipeline.measure == {"alpha_ml_g": 0.18}


def test_a_single_frame_is_neither_levelled_nor_linked():
    field = made_field()
    field.done[Role.PHASE] = frozenset({2})
    pipeline = Pipeline.parse({"link": {}})
    note_run(field, StepName.RETRIEVE, pipeline, frozenset({2}))
    note_run(field, StepName.MEASURE, pipeline, frozenset({2}))
    field.table = object()

    assert not pipeline_as_run(field).stabilise
    assert pipeline_as_run(field).link is None


def test_a_series_with_a_failed_frame_was_levelled():
    field = made_field()
    made = ALL - {1}
    field.done[Role.PHASE] = made
    note_run(field, StepName.RETRIEVE, Pipeline(), made, n_asked=4)

    assert field.runs[StepName.RETRIEVE].pipeline.stabilise


def test_a_frame_that_joins_a_series_keeps_its_run():
    field = made_field()
    note_run(field, StepName.RETRIEVE, Pipeline(), ALL)
    note_run(field, StepName.RETRIEVE, Pipeline(), frozenset({1}))

    assert field.runs[StepName.RETRIEVE].pipeline.stabilise
    assert field.runs[StepName.RETRIEVE].frames == ALL
