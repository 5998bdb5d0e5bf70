"""Errors name what happened and what to do."""

import pytest

from napari_qpm import errors
from napari_qpm.errors import MissingMetadataError, QPMError, UnknownNameError


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_ours_and_no_runtime_error(name):
    kind = getattr(errors, name)
    assert issubclass(kind, QPMError)
    assert not issubclass(kind, RuntimeError)


def test_unknown_name_lists_what_exists_and_the_closest():
    message = str(UnknownNameError("phase engine", "fourrier", ["fourier", "as-is"]))
    assert message == (
        "There is no phase engine named 'fourrier'. Did you mean 'fourier'? "
        "Available: as-is, fourier."
    )


def test_unknown_name_without_a_close_one_suggests_nothing():
    message = str(UnknownNameError("modality", "xyz", ["phase"]))
    assert "Did you mean" not in message
    assert "Available: phase." in message


def test_missing_value_says_what_needs_it_and_the_ways_to_give_it():
    error = MissingMetadataError("pixel_size_um", "Dry mass", "'a.tif'")
    assert error.field == "pixel_size_um"
    message = str(error)
    assert message.startswith("Dry mass needs pixel_size_um, which 'a.tif' does not")
    for way in ("pixel_size_um=…", "--set-instrument", "*.qpm.yaml"):
        assert way in message
