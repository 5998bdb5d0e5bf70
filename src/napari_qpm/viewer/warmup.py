"""Compiled kernels, made ready in a child process before the first job needs them.

numba compiles while it holds the GIL, which would freeze the viewer. A child process
fills numba's cache instead, once for each version; jobs wait for it on their threads.
napari's own kernels come along, so that drawing the first line freezes nothing. Slow
imports are done on a thread, while the user looks for a recording.
"""

import contextlib
import getpass
import hashlib
import importlib
import logging
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import napari_qpm
from napari_qpm.errors import QPMError
from napari_qpm.jobs import CancelToken, Job, Progress, ReportProgress, run_command
from napari_qpm.provenance import versions

__all__ = ["compile_napari", "load_rooms", "start_warmup", "wait_until_warm"]

logger = logging.getLogger(__name__)

POLL_S = 0.05
ROOMS = "napari_qpm.pipeline"
WARM_NAPARI = (sys.executable, "-m", "napari_qpm.viewer.warm_napari")
_lock = threading.Lock()
_jobs: list[Job[None]] = []


def start_warmup(folder: Path | None = None) -> None:
    """Start compiling in a child process unless that was done for these versions.

    Parameters
    ----------
    folder
        Where to remember that it was done; by default the temporary folder.
    """
    done = _mark(folder or Path(tempfile.gettempdir()))
    compile_all = run_command(["warm"])

    def work(token: CancelToken, report: ReportProgress) -> None:
        try:
            compile_all(token, report)
        except QPMError:
            # Kernels then compile when first used: slower, not wrong.
            logger.warning("Could not prepare fast code", exc_info=True)
            return
        compile_napari()
        with contextlib.suppress(OSError):
            done.touch()

    with _lock:
        _jobs[:] = [job for job in _jobs if job.is_running]
        if _jobs or done.exists():
            return
        _jobs.append(Job(work, "Prepare fast code").start())


def load_rooms() -> threading.Thread:
    """Import on a thread what the first recording needs; zarr alone takes 0.2 s."""
    thread = threading.Thread(target=importlib.import_module, args=(ROOMS,))
    thread.daemon = True
    thread.start()
    return thread


def compile_napari() -> None:
    """Let a child process compile what napari compiles at its first shape."""
    subprocess.run(WARM_NAPARI, capture_output=True, check=False)


def wait_until_warm(token: CancelToken, report: ReportProgress) -> None:
    """Return when the child process ended; called at the start of a job.

    Raises
    ------
    JobCancelled
        `token` was cancelled meanwhile.
    """
    with _lock:
        waiting = tuple(_jobs)
    for job in waiting:
        while not job.wait(POLL_S):
            token.raise_if_cancelled()
            report(Progress(0, 0, "", "Preparing fast code (the first time only)"))


def _mark(folder: Path) -> Path:
    """Return the file that says that this code was compiled by this user."""
    home = Path(napari_qpm.__file__).parent
    sources = sorted(home.glob("*/_*.py"))
    facts = [getpass.getuser(), str(home), *map(str, versions().items())]
    facts += [f"{source}:{source.stat().st_mtime_ns}" for source in sources]
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
    return folder / f"napari-qpm-warm-{digest}"
