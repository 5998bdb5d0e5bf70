import json
import math

from napari_qpm.adaptation import Adaptation, Judgement
from napari_qpm.adaptation.outcome import is_better

NAN = float("nan")


def judgement(inside=0.5, rms=0.3, residual=2.0):
    return Judgement(residual, "doubtful", rms, 0.9, inside, 0.8)


def outcome(**changes):
    facts = {
        "name": "my-scope",
        "base": "nas-prnet",
        "before": judgement(1.0),
        "after": judgement(0.25),
        "frame": "dish frame 3",
        "held_out": "which taught nothing",
        "n_own": 3,
        "n_frames": 4,
        "steps": 200,
        "minutes": 9.5,
    }
    return Adaptation(**(facts | changes))


def test_cells_decide_then_the_frame_then_the_camera():
    assert is_better(judgement(inside=1.0, rms=0.1), judgement(inside=0.5, rms=0.9))
    assert is_better(judgement(inside=NAN, rms=0.9), judgement(inside=NAN, rms=0.1))
    lost = {"inside": NAN, "rms": NAN}
    assert is_better(judgement(**lost, residual=3), judgement(**lost, residual=2))
    assert not is_better(judgement(), judgement())


def test_text_tells_what_happened_and_what_it_is_worth():
    text = outcome().describe()
    assert "Adapted nas-prnet in 9.5 min (200 steps), 3 of 4 own frames taught" in text
    assert "Saved as model my-scope" in text
    assert "dish frame 3 (which taught nothing)" in text
    assert "1.00 before, 0.25 after" in text
    assert "No model was saved" in outcome(name=None).describe()


def test_outcome_travels_as_json():
    sent = outcome(before=judgement(inside=NAN), note="Stopped early.")
    text = json.dumps(sent.to_dict(), allow_nan=False)
    back = Adaptation.from_dict({"event": "result", **json.loads(text)})
    assert math.isnan(back.before.inside_rms_rad)
    assert back.after == sent.after
    assert (back.name, back.note) == ("my-scope", "Stopped early.")
