"""Recordings of every format open through `viewer.open` of napari with our reader."""

import numpy as np
import pytest

from napari_qpm.io import is_ours
from napari_qpm.viewer.fields import field_of

PLAIN = {"rgb"}
"""Anybody's colour pictures, which napari opens and the dock takes over."""


@pytest.fixture(scope="module")
def samples(corpus, tmp_path_factory):
    written = corpus.write_corpus(tmp_path_factory.mktemp("corpus"), 64, 2)
    # One of each format is enough here: number types are the readers' affair.
    return list({sample.kind: sample for sample in written}.values())


def test_napari_offers_us_for_every_recording(samples, plugins):
    unknown = {
        sample.name
        for sample in samples
        if "napari-qpm"
        not in {r.plugin_name for r in plugins.iter_compatible_readers([sample.path])}
    }
    assert not unknown


def test_every_recording_opens_as_a_live_layer_of_the_same_pixels(
    samples, plugins, viewer
):
    wrong = {}
    for sample in samples:
        if sample.name in PLAIN:
            assert not is_ours(sample.path)
            continue
        layer = viewer.open(sample.path, plugin="napari-qpm")[0]
        if layer.source.reader_plugin != "napari-qpm" or field_of(layer) is None:
            wrong[sample.name] = "not ours"
        if sample.frames is None or sample.modality is not None:
            continue
        shown = np.asarray(layer.data)
        shown = shown if shown.ndim == 4 else shown[None]
        if not np.array_equal(shown, np.moveaxis(sample.frames, 1, 0)):
            wrong[sample.name] = shown.shape
    assert not wrong
