from pathlib import Path
from typing import Any

Run = Any


def test_check_says_what_each_check_sees_and_is_blind_to(
    qpm_command: Run, hologram: Path
) -> None:
    outcome = qpm_command("check", hologram)
    assert outcome.code == 0, outcome.stderr
    for title in ("Residual: good", "Unwrapping: good", "Background: good"):
        assert title in outcome.stdout
    assert outcome.stdout.count("It cannot see") == 3


def test_check_of_a_series_gives_a_record_a_frame(
    qpm_command: Run, recording: Path
) -> None:
    outcome = qpm_command("check", recording, "--json")
    (found,) = outcome.events[-1]["recordings"]
    assert [frame["frame"] for frame in found["frames"]] == [0, 1, 2]
    first, second = found["frames"][:2]
    assert first["verdict"] in ("good", "doubtful")
    assert 0.7 < first["residual"]["score"] < 1.1
    assert first["unwrapping"]["jump_px"] is None
    assert second["unwrapping"]["jump_px"] == 0


def test_check_of_one_frame(qpm_command: Run, recording: Path) -> None:
    outcome = qpm_command("check", recording, "--frame", 1, "--json")
    (found,) = outcome.events[-1]["recordings"]
    assert [frame["frame"] for frame in found["frames"]] == [1]


def test_check_names_a_frame_that_is_not_there(
    qpm_command: Run, recording: Path
) -> None:
    outcome = qpm_command("check", recording, "--frame", 7)
    assert outcome.code == 1
    assert "there is no frame 7" in outcome.stderr


def test_given_phase_is_judged_instead_of_a_retrieved_one(
    qpm_command: Run, recording: Path
) -> None:
    truth = recording.parent / "truth" / "phase.npy"
    outcome = qpm_command("check", recording, "--phase", truth, "--json")
    assert outcome.code == 0, outcome.stderr
    (found,) = outcome.events[-1]["recordings"]
    for frame in found["frames"]:
        assert 0.9 < frame["residual"]["score"] < 1.1


def test_given_phase_belongs_to_one_recording(
    qpm_command: Run, hologram: Path, recording: Path
) -> None:
    truth = hologram.parent / "truth" / "phase.npy"
    outcome = qpm_command("check", hologram, recording, "--phase", truth)
    assert outcome.code == 1
    assert "of one recording" in outcome.stderr
    outcome = qpm_command("check", recording, "--phase", truth)
    assert "has 3. Give the phase of this recording" in outcome.stderr
