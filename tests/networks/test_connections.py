import json

import pytest

from napari_qpm.errors import FileFormatError, ParameterError
from napari_qpm.networks.connections import (
    DEPTHS,
    Connection,
    ConnectionMask,
    connection_cost,
    encoder_cost,
    every_connection,
    network_cost,
    prune,
)

FULL_SIZE = (1024, 1024)


def weights(**changed: float) -> dict[Connection, float]:
    """Weight 1 for all but the named ones, written as ``E3_D2``."""
    table = dict.fromkeys(every_connection(), 1.0)
    for name, weight in changed.items():
        table[Connection.parse(name.replace("_", "->"))] = weight
    return table


def test_there_are_100_candidates_in_the_published_shares():
    names = [str(connection) for connection in every_connection()]
    assert len(set(names)) == 100
    assert sum(name[0] == "E" for name in names) == 64
    assert sum(name[0] == "G" for name in names) == 8
    assert sum(name[0] == "D" for name in names) == 28


def test_depths_follow_the_relative_scale():
    assert DEPTHS == (8, 8, 16, 32, 64, 64, 128, 128)


@pytest.mark.parametrize(
    ("stage", "params", "giga_macs"),
    [
        (1, 108_288, 1.461),
        (2, 107_712, 1.310),
        (3, 213_120, 1.109),
        (4, 417_024, 1.048),
        (5, 797_184, 1.210),
        (6, 760_320, 1.059),
        (7, 1_373_184, 1.032),
        (8, 1_225_728, 0.881),
    ],
)
def test_stage_costs_are_those_of_the_specification(stage, params, giga_macs):
    costs = [
        connection_cost(connection, FULL_SIZE)
        for connection in every_connection()
        if connection.stage == stage
    ]
    assert sum(cost.params for cost in costs) == params
    assert sum(cost.macs for cost in costs) / 1e9 == pytest.approx(giga_macs, abs=5e-4)


def test_encoder_and_whole_network_cost_as_specified():
    assert encoder_cost(FULL_SIZE).params == 1_812_800
    assert encoder_cost(FULL_SIZE, in_channels=1).params == 1_812_224
    whole = network_cost(ConnectionMask.full(), FULL_SIZE)
    assert whole.macs / 1e9 == pytest.approx(16.44, abs=5e-3)


@pytest.mark.parametrize("text", ["E9->D1", "D1->D2", "D2->D2", "E1D1", "E1->E2", ""])
def test_impossible_connections_are_refused(text):
    with pytest.raises(ParameterError):
        Connection.parse(text)


def test_mask_comes_back_from_its_file(tmp_path):
    mask = ConnectionMask.of("E1->D1", "D3->D1", "G->D3", "E2->D3")
    named = ConnectionMask(mask.connections, {"seed": 4})
    named.dump(tmp_path / "mask.json")
    loaded = ConnectionMask.load(tmp_path / "mask.json")
    assert loaded == named
    assert loaded.stages == [1, 3]
    assert loaded.into(3) == ["E2", "G"]
    assert json.loads((tmp_path / "mask.json").read_text())["origin"] == {"seed": 4}


@pytest.mark.parametrize("content", ["", "[]", '{"connections": ["E1->D9"]}', "{}"])
def test_a_file_that_is_no_mask_is_named(tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(FileFormatError, match=r"broken\.json"):
        ConnectionMask.load(path)


def test_mask_without_output_or_with_a_dangling_stage_is_refused():
    with pytest.raises(ParameterError, match="nothing comes out"):
        ConnectionMask.of("E1->D2")
    with pytest.raises(ParameterError, match="D4 has no input"):
        ConnectionMask.of("E1->D1", "D4->D1")


def test_pruning_drops_weights_below_the_threshold_only():
    mask = prune(weights(E1_D1=9.9e-4, E2_D1=1e-3))
    names = {str(connection) for connection in mask}
    assert len(mask) == 99
    assert "E1->D1" not in names
    assert "E2->D1" in names


def test_pruning_follows_a_stage_that_feeds_nothing():
    table = weights()
    for connection in table:
        # D8 feeds D7 alone, and D7 feeds nothing: both go.
        if connection.source == "D7" or (
            connection.source == "D8" and connection.stage != 7
        ):
            table[connection] = 0.0
    assert prune(table).stages == [1, 2, 3, 4, 5, 6]


def test_pruning_follows_a_stage_without_input():
    table = weights()
    for connection in table:
        # D8 loses all inputs, so D7 loses its only one, and what they fed goes too.
        if connection.stage == 8 or (
            connection.stage == 7 and connection.source != "D8"
        ):
            table[connection] = 0.0
    mask = prune(table)
    assert mask.stages == [1, 2, 3, 4, 5, 6]
    assert not {c.source for c in mask} & {"D7", "D8"}


def test_pruning_everything_is_refused():
    with pytest.raises(ParameterError, match="D1"):
        prune(dict.fromkeys(every_connection(), 0.0))
