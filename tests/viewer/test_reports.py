import pytest
from tests.viewer.conftest import make_recording, show_recording

from napari_qpm.errors import QPMError
from napari_qpm.retrieval.as_is_engine import AsIsEngine
from napari_qpm.viewer.reports import failure_of, without_private
from napari_qpm.viewer.settings import StepName

SECRET = "patient-17"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Cannot read /data/lab/patient 17.tif now", "Cannot read (hidden) 17.tif now"),
        ("Cannot read '/data/lab/patient 17.tif'.", "Cannot read '(hidden).tif'."),
        (r"Cannot read C:\Users\Eve\scan.tiff.", "Cannot read (hidden).tiff."),
        (r'At "\\server\share\scan.npy", 3', 'At "(hidden).npy", 3'),
        ("~/scans/a.tif is full", "(hidden).tif is full"),
        ('File "/data/eve/v/lib/site-packages/scipy/fft.py", line 3', "scipy/fft.py"),
        ('File "/data/eve/qpm/src/napari_qpm/jobs.py", line 3', '"napari_qpm/jobs.py"'),
        ('File "/data/eve/my_script.py", line 3', 'File "my_script.py", line 3'),
        ("12 nm/px, and/or 3/4 of 5 µm/s", "12 nm/px, and/or 3/4 of 5 µm/s"),
        ("rad/s at 0.5/frame: a / b", "rad/s at 0.5/frame: a / b"),
    ],
)
def test_folders_and_file_names_are_left_out(text, told):
    shown = without_private(text)

    assert told in shown
    assert "eve" not in shown.lower()
    assert "lab" not in shown


def test_known_names_are_left_out_as_whole_words():
    told = without_private("dish phase, dishes of dish", ["dish", "of"])

    assert told == "(hidden) phase, dishes of (hidden)"


@pytest.fixture
def failed(workflow, viewer, mailbox, monkeypatch, tmp_path):
    """A workflow whose retrieval failed on a recording with a telling name."""

    def fail(self, *_):
        raise RuntimeError(f"CUDA error at {tmp_path / SECRET}.tif of {SECRET}")

    monkeypatch.setattr(AsIsEngine, "retrieve", fail)
    recording = make_recording().replace(
        name=SECRET, path=tmp_path / SECRET / f"{SECRET}.ome.tif"
    )
    show_recording(viewer, recording)
    workflow.results_folder = tmp_path / f"{SECRET}-results"
    workflow.run(StepName.RETRIEVE)
    mailbox.follow(workflow)
    return workflow


def test_a_report_tells_step_versions_device_recording_and_traceback(failed):
    report = failed.failure.report()

    assert "Failed: Retrieve phase" in report
    assert "RuntimeError" in report
    for word in ("napari-qpm:", "napari:", "python:", "torch:", "processors"):
        assert word in report
    assert "Phase image: 3 frames, 64 × 48 px" in report
    assert "file: .ome.tif" in report
    assert "wavelength_nm: 532.0" in report
    assert "engine: as-is" in report
    assert "in fail" in report
    assert 'File "napari_qpm/jobs.py"' in report


def test_a_report_names_no_file_and_no_folder(failed, tmp_path):
    report = failed.failure.report()

    assert SECRET not in report
    assert str(tmp_path) not in report
    assert tmp_path.name not in report


def test_a_new_step_forgets_the_failure(failed, mailbox, monkeypatch):
    monkeypatch.undo()
    failed.run(StepName.RETRIEVE)
    mailbox.follow(failed)

    assert failed.failure is None


def test_what_the_child_process_told_is_in_the_report(workflow):
    error = QPMError("The child process failed: Unexpected RuntimeError: boom")
    error.add_note("In the child process:\nTraceback …\nRuntimeError: boom")

    report = failure_of(error, "Adapt", workflow).report()

    assert "In the child process:" in report
    assert "Recording:\n  none selected" in report


def test_a_failure_keeps_no_array_alive(failed):
    import gc

    kept = gc.get_referents(failed.failure.__dict__)

    assert not any(isinstance(one, BaseException) for one in kept)
