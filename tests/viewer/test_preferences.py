import pytest
from tests.viewer.conftest import make_recording, show_recording

from napari_qpm.acquisition import Modality
from napari_qpm.runtime.devices import DeviceName
from napari_qpm.viewer.dock import QPMDock
from napari_qpm.viewer.preferences import (
    Preferences,
    read_preferences,
    watched_settings,
)
from napari_qpm.viewer.settings import Settings, StepName

ENGINE = (StepName.RETRIEVE, Modality.OFF_AXIS)


@pytest.fixture
def settings(plugins, plugin_settings):
    """napari's settings of this plugin, in a folder of the test."""
    return watched_settings()


@pytest.fixture
def learned():
    """Settings of a dock in which the network is chosen."""
    made = Settings()
    made.choose(*ENGINE, "nas-prnet")
    return made


def test_the_manifest_has_the_defaults_of_the_code(settings):
    assert read_preferences(settings) == Preferences()


def test_changes_are_kept_in_a_file(settings):
    settings.preview.frames_ahead = 5

    assert "frames_ahead: 5" in settings.config_path.read_text()
    assert read_preferences(settings).frames_ahead == 5


def test_impossible_values_are_refused(settings):
    with pytest.raises(ValueError, match="quantum"):
        settings.networks.device = "quantum"
    with pytest.raises(ValueError, match="20"):
        settings.preview.frames_ahead = 1000


@pytest.mark.parametrize(
    "content",
    ["{[ not yaml", "just words", "preview: 3", "networks:\n  device: quantum\n"],
)
def test_a_corrupt_file_gives_the_defaults(plugins, plugin_settings, tmp_path, content):
    (tmp_path / "napari-qpm.yaml").write_text(content)

    assert read_preferences(watched_settings()) == Preferences()


def test_without_the_plugin_there_are_defaults(plugin_settings):
    assert read_preferences(watched_settings()) == Preferences()


def test_the_preferred_device_holds_unless_the_form_says_otherwise(learned):
    learned.preferred = {"device": "cpu"}
    assert learned.values(*ENGINE) == {"device": "cpu"}

    learned.set_values(*ENGINE, {"device": "auto"})
    assert learned.values(*ENGINE) == {"device": "auto"}

    learned.set_values(*ENGINE, {"device": "cpu"})
    learned.preferred = {"device": "cuda"}
    assert learned.values(*ENGINE) == {"device": "cuda"}


def test_a_preferred_device_does_not_reach_engines_without_one():
    settings = Settings()
    settings.preferred = {"device": "cpu"}

    assert settings.pipeline(Modality.PHASE).retrieve.parameters == {}


@pytest.mark.gui
def test_a_new_dock_does_as_preferred(make_napari_viewer_proxy, settings):
    settings.preview.follow_slider = False
    settings.preview.frames_ahead = 7
    settings.corrections.save_after_s = 9.0
    settings.networks.device = "cpu"

    viewer = make_napari_viewer_proxy()
    dock = QPMDock(viewer)
    viewer.window.add_dock_widget(dock)

    assert not dock.preview.is_following
    assert not dock.phase_tools.follow.isChecked()
    assert dock.preview.frames_ahead == 7
    assert dock.autosave.settle_s == 9.0
    assert dock.workflow.settings.preferred == {"device": DeviceName.CPU}


@pytest.mark.gui
def test_changes_act_at_once_and_not_on_a_closed_dock(
    make_napari_viewer_proxy, settings
):
    viewer = make_napari_viewer_proxy()
    show_recording(viewer, make_recording())
    dock = QPMDock(viewer)
    viewer.window.add_dock_widget(dock)
    before = len(settings.events.changed.callbacks)

    settings.preview.follow_slider = False
    assert not dock.phase_tools.follow.isChecked()
    viewer.window.remove_dock_widget(dock)
    settings.preview.follow_slider = True

    assert not dock.preview.is_following
    assert len(settings.events.changed.callbacks) == before - 1


@pytest.mark.gui
def test_frames_ahead_are_made(make_napari_viewer_proxy, settings, qtbot):
    settings.preview.frames_ahead = 3
    viewer = make_napari_viewer_proxy()
    show_recording(viewer, make_recording(n_frames=6))
    viewer.dims.set_current_step(0, 0)
    dock = QPMDock(viewer)
    viewer.window.add_dock_widget(dock)

    viewer.dims.set_current_step(0, 1)
    maker = dock.preview._current_maker()
    keys = [(maker.key("phase"), t) for t in (2, 3, 4)]
    qtbot.waitUntil(
        lambda: all(dock.preview.cache.get(key) is not None for key in keys),
        timeout=20_000,
    )
    assert dock.preview.cache.get((maker.key("phase"), 5)) is None
