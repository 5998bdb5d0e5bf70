import pytest

from napari_qpm.runtime import ModelSpec, ModelStore
from napari_qpm.viewer.model_notes import model_in_words


def make_spec(**fields):
    return ModelSpec(
        name="mine", title="Mine", kind="phase", architecture="nas-prnet", **fields
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"created": "2026-11-20T23:51:12+00:00", "metrics": {"psnr_db": 38.34}},
            "Mine: of 2026-11-20. PSNR 38.3 dB on frames that it never saw.",
        ),
        (
            {"base": "b", "metrics": {"own_frame": {"frame": "d"}}},
            "Mine: date unknown, made from b. Better than that on your frame d.",
        ),
        (
            {"base": "b", "metrics": {"own_frames": {"after": {"dice": 0.912}}}},
            (
                "Mine: date unknown, made from b. Dice 0.91 on your own cells, which "
                "also taught it."
            ),
        ),
        (
            {"metrics": {"validation": {"ssim": 0.747}}},
            "Mine: date unknown. SSIM 0.75 while it was trained; not evaluated since.",
        ),
        ({}, "Mine: date unknown. Not evaluated."),
    ],
)
def test_date_origin_and_score_are_told(fields, told):
    assert model_in_words(make_spec(**fields)) == told


def test_the_shipped_model_has_a_date_and_a_held_out_score():
    told = model_in_words(ModelStore().model("nas-prnet").spec)

    assert "of 20" in told
    assert "frames that it never saw" in told
