import json

import pytest

from napari_qpm.errors import FileFormatError, ParameterError
from napari_qpm.runtime import ModelSpec

FIELDS = {"name": "small", "title": "Small", "kind": "phase", "architecture": "u-net"}
HASH = "0" * 64


def test_spec_survives_its_file(tmp_path):
    spec = ModelSpec(
        **FIELDS,
        modality="off-axis",
        config={"in_channels": 3, "range_rad": 10.0, "connections": ["E1->D1"]},
        valid={"period_px": [2.2, 9.0]},
        base="other",
        sha256=HASH,
    )
    spec.dump(tmp_path / "model.json")
    assert ModelSpec.load(tmp_path / "model.json") == spec


def test_properties_come_from_the_fields_or_are_sensible():
    spec = ModelSpec(**FIELDS)
    assert (spec.in_channels, spec.output_scale) == (1, 1.0)
    assert (spec.multiple_px, spec.tile_px, spec.overlap_px) == (32, None, 256)
    spec = ModelSpec(
        **FIELDS,
        config={"in_channels": 3, "range_rad": 12},
        tile={"multiple": 16, "tile_px": 512, "overlap_px": 64},
    )
    assert (spec.in_channels, spec.output_scale) == (3, 12.0)
    assert (spec.multiple_px, spec.tile_px, spec.overlap_px) == (16, 512, 64)


def test_output_of_other_kinds_is_not_scaled():
    fields = {**FIELDS, "kind": "segmentation"}
    assert ModelSpec(**fields, config={"range_rad": 12}).output_scale == 1.0


@pytest.mark.parametrize("name", ["", "../evil", "Big", ".hidden", "a b", "a/b"])
def test_names_are_safe_as_folders(name):
    with pytest.raises(ParameterError, match="no name for a model"):
        ModelSpec(**{**FIELDS, "name": name})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, "newer napari-qpm.*Update"),
        ({"format_version": None}, "states no format_version"),
        ({"colour": "red"}, "describes colour"),
        ({"title": 3}, "title is text"),
        ({"config": "wide"}, "config is an object"),
        ({"name": "../evil"}, "no name for a model"),
        ({"tile": {"multiple": 0}}, "at least 1"),
        ({"tile": {"multiple": "much"}}, "no model"),
        ({"sha256": "abc"}, "lacks sha256"),
    ],
)
def test_wrong_values_are_named(changes, message, tmp_path):
    values = ModelSpec(**FIELDS, sha256=HASH).to_dict() | changes
    path = tmp_path / "model.json"
    path.write_text(json.dumps(values))
    with pytest.raises(FileFormatError, match=message):
        ModelSpec.load(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_what_is_no_object_is_no_model(text, tmp_path):
    path = tmp_path / "model.json"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=r"model\.json"):
        ModelSpec.load(path)


def test_missing_fields_are_named(tmp_path):
    with pytest.raises(FileFormatError, match="architecture"):
        ModelSpec.from_dict({"format_version": 1, "name": "a", "title": "b"}, "here")
