from enum import StrEnum

import pytest
from pydantic import Field
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox
from superqt import QLabeledDoubleSlider

from napari_qpm.parameters import Parameters
from napari_qpm.registry import Registry
from napari_qpm.retrieval import PHASE_ENGINES
from napari_qpm.segmentation import SEGMENTATION_ENGINES
from napari_qpm.viewer.forms import ParameterForm

pytestmark = pytest.mark.gui


class Shape(StrEnum):
    ROUND = "round"
    VERY_LONG = "very-long"


class Sample(Parameters):
    count: int = Field(4, ge=1, le=8, title="Count", description="How many.")
    level: float = Field(0.5, gt=0, title="Level", description="How high.")
    smooth: bool = Field(True, title="Smooth", description="Whether.")
    shape: Shape = Field(Shape.ROUND, title="Shape", description="Which.")
    size_um: float | None = Field(None, gt=0, title="Size", description="If known.")
    carrier: tuple[float, float] | None = Field(None, title="Carrier", description="…")


@pytest.fixture
def form(qtbot):
    made = ParameterForm(Sample)
    qtbot.addWidget(made)
    return made


def test_every_field_gets_the_editor_of_its_type(form):
    kinds = {
        "count": QSpinBox,
        "level": QDoubleSpinBox,
        "smooth": QCheckBox,
        "shape": QComboBox,
        "size_um": QLineEdit,
        "carrier": QLineEdit,
    }

    for name, kind in kinds.items():
        assert form.findChild(kind, name) is not None, name


def test_the_form_starts_with_the_defaults(form):
    assert Sample.parse(form.values()) == Sample()


def test_tooltips_and_bounds_come_from_the_model(form):
    box = form.findChild(QSpinBox, "count")

    assert box.toolTip() == "How many. From 1 to 8."
    assert (box.minimum(), box.maximum()) == (1, 8)
    assert form.findChild(QLineEdit, "size_um").placeholderText() == "automatic"


def test_an_edit_is_told_with_all_values(form, qtbot):
    with qtbot.waitSignal(form.values_changed) as told:
        form.findChild(QSpinBox, "count").setValue(7)

    assert told.args[0]["count"] == 7
    assert Sample.parse(told.args[0]).level == 0.5


def test_an_impossible_value_is_explained_and_not_passed_on(form, qtbot):
    told = []
    form.values_changed.connect(told.append)
    line = form.findChild(QLineEdit, "size_um")

    line.setText("large")
    line.editingFinished.emit()
    assert "size_um" in form.problem
    assert told == []

    line.setText("2.5")
    line.editingFinished.emit()
    assert form.problem == ""
    assert Sample.parse(told[0]).size_um == 2.5


def test_pairs_are_typed_with_a_comma(form):
    line = form.findChild(QLineEdit, "carrier")
    line.setText("0.1, -0.25")

    assert Sample.parse(form.values()).carrier == (0.1, -0.25)


def test_restoring_defaults_is_told(form, qtbot):
    form.set_values({"count": 2, "shape": "very-long"})

    with qtbot.waitSignal(form.values_changed) as told:
        form.reset()

    assert Sample.parse(told.args[0]) == Sample()


def test_numbers_show_no_needless_digits(form):
    form.set_values({"level": 2.5})

    assert form.findChild(QDoubleSpinBox, "level").text() == "2.5"


@pytest.mark.parametrize("registry", [PHASE_ENGINES, SEGMENTATION_ENGINES])
def test_every_engine_has_a_form_that_keeps_its_defaults(qtbot, registry: Registry):
    for entry in registry:
        model = entry.load().Parameters
        form = ParameterForm(model)
        qtbot.addWidget(form)

        assert model.parse(form.values()) == model(), entry.name


class Named(Parameters):
    model: str = Field("plain", title="Model", description="Which.")

    @classmethod
    def choices(cls, name):
        return [("plain", "Plain model"), ("my-scope", "My scope")]


def test_texts_with_choices_are_a_list_by_title(qtbot):
    form = ParameterForm(Named, {"model": "my-scope"})
    qtbot.addWidget(form)
    box = form.findChild(QComboBox, "model")
    assert [box.itemText(i) for i in range(box.count())] == ["Plain model", "My scope"]
    assert box.currentText() == "My scope"
    box.setCurrentIndex(0)
    assert form.values() == {"model": "plain"}


def test_a_choice_that_is_gone_is_kept_and_named(qtbot):
    form = ParameterForm(Named, {"model": "deleted"})
    qtbot.addWidget(form)
    assert form.values() == {"model": "deleted"}
    assert form.findChild(QComboBox, "model").currentText() == "deleted (not found)"


def test_focus_is_a_slider_that_tells_every_move(qtbot):
    from napari_qpm.retrieval.refocusing import RefocusParameters

    form = ParameterForm(RefocusParameters)
    qtbot.addWidget(form)
    told = []
    form.values_changed.connect(told.append)
    slider = form.findChild(QLabeledDoubleSlider, "refocus_um")
    slider.setValue(-12.5)
    assert told[-1]["refocus_um"] == -12.5
    assert (slider.minimum(), slider.maximum()) == (-100, 100)
