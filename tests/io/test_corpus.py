"""Every recording of the corpus opens, and gives the pixels that were written."""

import numpy as np
import pytest

from napari_qpm.io import is_ours, open_all
from napari_qpm.io.describe import describe


@pytest.fixture(scope="module")
def samples(corpus, tmp_path_factory):
    """Write the corpus once and return its recordings by name."""
    written = corpus.write_corpus(tmp_path_factory.mktemp("corpus"), 64, 3)
    return {sample.name: sample for sample in written}


def test_it_holds_every_suffix_that_we_say_we_read(samples):
    from napari_qpm.io import READABLE_SUFFIXES

    written = {sample.path.suffix for sample in samples.values()}
    others = {".tiff", ".btf", ".tf8", ".tf2", ".jpeg", ".hdf5", ".hdf", ".he5", ".nd2"}
    assert set(READABLE_SUFFIXES) - others <= written
    assert len(samples) > 70


def test_each_recording_gives_its_pixels_and_its_description(samples):
    wrong = {}
    for sample in samples.values():
        first = open_all(sample.path, modality=sample.modality)[0]
        assert describe(first)
        if sample.frames is None:
            first.read(0)
        elif first.shape != sample.frames.shape:
            wrong[sample.name] = first.shape
        elif any(
            not np.array_equal(first.read(t), sample.frames[t])
            for t in range(first.n_frames)
        ):
            wrong[sample.name] = "pixels"
    assert not wrong


def test_napari_takes_all_but_plain_colours_and_focus(samples):
    left = {name for name, sample in samples.items() if not is_ours(sample.path)}
    assert left <= {"rgb", "focus"}
