import json

import pytest

from napari_qpm.errors import FileFormatError
from napari_qpm.evaluation import Evaluation, Row

SCORES = {
    "psnr_db": 31.234,
    "mean_psnr_db": 32.3,
    "ssim": 0.912,
    "mae": 0.0123,
    "rms_rad": 0.33,
}


@pytest.fixture
def evaluation():
    model = Row(
        key="model",
        method="Net",
        metrics=SCORES,
        n=4,
        params=4_400_009,
        macs=11_100_000_000,
        latency_ms=812.3,
        source="this run",
    )
    missing = Row(key="u-net", method="U-Net", source="not run: needs a GPU")
    return Evaluation(model="net", data="four frames", seed=7, rows=(model, missing))


def test_json_has_the_keys_that_every_engine_shares(evaluation):
    values = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert {"model", "data", "seed", "rows"} <= values.keys()
    shared = {"method", "metrics", "n", "params", "macs", "latency_ms", "source"}
    assert all(shared <= row.keys() for row in values["rows"])
    assert values["rows"][0]["metrics"] == SCORES


def test_row_that_was_not_run_has_null_metrics_and_says_so(evaluation):
    row = evaluation.to_dict()["rows"][1]
    assert set(row["metrics"].values()) == {None}
    assert "| U-Net | not run |" in evaluation.table()
    assert "U-Net: not run: needs a GPU" in evaluation.describe()


def test_scores_that_are_no_number_are_null():
    row = Row(key="x", method="x", metrics={"psnr_db": float("nan")})
    assert row.to_dict()["metrics"] == {"psnr_db": None}


def test_table_rounds_for_people(evaluation):
    line = evaluation.table().splitlines()[2]
    assert line.startswith("| Net | 31.23 | 32.30 | 0.912 | 0.0123 | 0.330 |")
    assert "4.40 M | 11.10 G | 812 | 4 |" in line


def test_evaluation_survives_its_json(evaluation):
    stored = json.loads(json.dumps({"event": "result", **evaluation.to_dict()}))
    again = Evaluation.from_dict(stored)
    assert again.to_dict() == evaluation.to_dict()
    assert again.table() == evaluation.table()
    with pytest.raises(FileFormatError, match="no evaluation"):
        Evaluation.from_dict({"model": "net"})
