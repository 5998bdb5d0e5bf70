import numpy as np
import pytest
import tifffile

from napari_qpm.errors import FileFormatError
from napari_qpm.viewer import launch as launch_module
from napari_qpm.viewer.fields import field_of
from napari_qpm.viewer.launch import open_viewer


@pytest.mark.gui
def test_named_files_open_as_recordings_with_the_dock(
    make_napari_viewer, plugins, monkeypatch, tmp_path
):
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, np.arange(64 * 64, dtype=np.uint8).reshape(64, 64))
    made = make_napari_viewer()
    monkeypatch.setattr("napari.Viewer", lambda show: made)

    viewer = open_viewer([path])

    assert field_of(viewer.layers["plain"]).acquisition.path == path
    assert len(viewer.window.dock_widgets) == 1


def test_a_missing_file_opens_no_window(monkeypatch, tmp_path):
    monkeypatch.setattr("napari.Viewer", lambda show: pytest.fail("a window opened"))

    with pytest.raises(FileFormatError, match=r"no file or folder .*nothing\.tif"):
        launch_module.open_viewer([tmp_path / "nothing.tif"])
