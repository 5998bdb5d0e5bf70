import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from napari_qpm.errors import LayoutError
from napari_qpm.measurement import link, to_napari_tracks


@pytest.fixture(scope="module")
def linked() -> pd.DataFrame:
    rows = [(0, 1, 0, 0, 600), (1, 2, 0, 4, 300), (1, 1, 0, -4, 300), (2, 1, 0, 4, 305)]
    names = ["frame", "label", "centroid_y_px", "centroid_x_px", "dry_mass_pg"]
    table = pd.DataFrame(rows, columns=names).assign(area_px=80.0, engine="watershed")
    return link(table)


def test_data_is_ordered_by_track_and_frame(linked: pd.DataFrame) -> None:
    data, graph, properties = to_napari_tracks(linked)
    expected = [[1, 0, 0, 0], [2, 1, 0, -4], [3, 1, 0, 4], [3, 2, 0, 4]]
    np.testing.assert_array_equal(data, expected)
    assert graph == {2: [1], 3: [1]}
    assert properties["dry_mass_pg"].tolist() == [600, 300, 300, 305]
    assert "engine" not in properties


def test_napari_takes_the_arrays(linked: pd.DataFrame) -> None:
    layers = pytest.importorskip("napari.layers")
    data, graph, properties = to_napari_tracks(linked)
    layer = layers.Tracks(data, graph=graph, properties=properties)
    np.testing.assert_array_equal(layer.data, data)
    assert layer.graph == graph
    np.testing.assert_array_equal(layer.properties["track_id"], data[:, 0])


def test_table_that_is_not_linked_is_refused(linked: pd.DataFrame) -> None:
    with pytest.raises(LayoutError, match="lacks track_id"):
        to_napari_tracks(linked.drop(columns="track_id"))


def test_linking_needs_neither_napari_nor_torch() -> None:
    code = (
        "import sys, pandas as pd, napari_qpm as qpm\n"
        "loaded = set(sys.modules)\n"
        "names = ['frame', 'label', 'centroid_y_px', 'centroid_x_px', 'area_px']\n"
        "table = pd.DataFrame([[0, 1, 0, 0, 9], [1, 1, 0, 0, 9]], columns=names)\n"
        "qpm.link(table)\n"
        "early = {'laptrack', 'sklearn'} & loaded\n"
        "heavy = {'napari', 'qtpy', 'torch', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(', '.join(early | heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
