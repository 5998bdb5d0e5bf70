import pytest

from napari_qpm.errors import FileFormatError
from napari_qpm.evaluation.baselines import (
    Baseline,
    keep_baseline,
    read_baselines,
)
from napari_qpm.evaluation.network_cost import count_cost

SCORED = Baseline(
    key="u-net",
    method="U-Net",
    architecture="u-net",
    config={"in_channels": 3, "width": 4},
    metrics={"psnr_db": 30.0},
    n=64,
    seed=5,
    source="napari-qpm train nas-prnet, seed 0",
)


def test_stored_networks_can_be_built_and_say_where_numbers_come_from():
    found = {one.key: one for one in read_baselines()}
    assert {"u-net", "sparse-mask", "super-prnet"} <= found.keys()
    for one in found.values():
        assert count_cost(one.architecture, one.config, (32, 32)).params > 1e6
        assert one.source
        if not one.metrics:
            assert one.source.startswith("not run")


def test_kept_row_replaces_the_earlier_one(tmp_path):
    path = tmp_path / "baselines.json"
    path.write_text('{"rows": []}')
    keep_baseline(SCORED, path)
    keep_baseline(SCORED, path)
    (only,) = read_baselines(path)
    assert only == SCORED
    assert list(tmp_path.iterdir()) == [path]


def test_row_of_another_set_is_not_shown_as_if_it_were_of_this_one():
    assert SCORED.row(5).metrics == {"psnr_db": 30.0}
    assert SCORED.row(5).source.startswith("stored: napari-qpm train")
    other = SCORED.row(6)
    assert not other.was_run
    assert "not run on this set" in other.source


def test_damaged_file_is_named(tmp_path):
    path = tmp_path / "baselines.json"
    path.write_text('{"rows": [{"key": "x"}]}')
    with pytest.raises(FileFormatError, match=r"baselines\.json holds no stored rows"):
        read_baselines(path)
