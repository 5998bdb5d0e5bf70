import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_qpm.cli.output import Output, plain_line
from napari_qpm.io.ome_zarr import ResultStore
from napari_qpm.jobs import Progress
from napari_qpm.specimens import simulate, write_sample


def test_message_becomes_one_line() -> None:
    assert plain_line("first\n  second\tthird ") == "first second third"


def test_progress_is_limited_but_stages_and_ends_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Output(as_json=True) as output:
        for done in range(101):
            output.report(Progress(done, 100, "frames", "First"))
        output.report(Progress(0, 100, "frames", "Second"))
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(events) < 20
    assert events[0] == {
        "event": "progress",
        "done": 0,
        "total": 100,
        "unit": "frames",
        "message": "First",
    }
    assert [e["done"] for e in events[-2:]] == [100, 0]


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ on Windows")
def test_interrupted_command_keeps_frames_and_says_how_to_continue(
    tmp_path: Path,
) -> None:
    sample = simulate("polarization", n_frames=60, shape=(256, 256), n_cells=2)
    recording = write_sample(sample, tmp_path / "raw")
    command = [sys.executable, "-m", "napari_qpm", "retrieve", str(recording)]
    command += ["-o", str(tmp_path), "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if json.loads(line).get("done", 0) >= 2:
                os.kill(child.pid, signal.SIGINT)
                break
        started = time.monotonic()
        rest, _ = child.communicate(timeout=30)
        assert time.monotonic() - started < 10
    last = json.loads(rest.splitlines()[-1])
    assert child.returncode == 130
    assert last["event"] == "error"
    assert "run the same command again to continue" in last["message"]
    store = ResultStore(tmp_path / "polarization-sample" / "phase.ome.zarr")
    assert 2 <= len(store.finished("phase")) < 60


def test_help_loads_no_heavy_package() -> None:
    code = (
        "import sys\n"
        "from napari_qpm.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'numba', 'dask', 'napari', 'pandas', 'torch', 'qtpy'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Usage: napari-qpm" in done.stdout
