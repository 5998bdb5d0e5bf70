"""Compiled kernels, made ready in a child process before the first job needs them.

numba compiles while it holds the GIL, which would freeze the viewer. A child process
fills numba's cache instead, once for each version; jobs wait for it on their threads.
"""

import getpass
import hashlib
import logging
import tempfile
import threading
from functools import partial
from pathlib import Path

import napari_qpm
from napari_qpm.jobs import (
    CancelToken,
    FinishReason,
    Job,
    Progress,
    ReportProgress,
    Status,
    run_command,
)
from napari_qpm.provenance import versions

__all__ = ["start_warmup", "wait_until_warm"]

logger = logging.getLogger(__name__)

POLL_S = 0.05
_lock = threading.Lock()
_running: list[Job[object]] = []


def start_warmup(folder: Path | None = None) -> None:
    """Start compiling in a child process unless that was done for these versions.

    Parameters
    ----------
    folder
        Where to remember that it was done; by default the temporary folder.
    """
    done = _mark(folder or Path(tempfile.gettempdir()))
    with _lock:
        if _running or done.exists():
            return
        job: Job[object] = Job(run_command(["warm"]), "Prepare fast code")
        _running.append(job)
    job.connect(partial(_on_status, job, done))
    job.start()


def wait_until_warm(token: CancelToken, report: ReportProgress) -> None:
    """Return when the child process ended; called at the start of a job.

    Raises
    ------
    JobCancelled
        `token` was cancelled meanwhile.
    """
    with _lock:
        waiting = tuple(_running)
    for job in waiting:
        while not job.wait(POLL_S):
            token.raise_if_cancelled()
            report(Progress(0, 0, "", "Preparing fast code (the first time only)"))


def _on_status(job: Job[object], done: Path, status: Status) -> None:
    if status.reason is None:
        return
    with _lock:
        _running.remove(job)
    if status.reason is not FinishReason.COMPLETED:
        # Kernels then compile when first used: slower, not wrong.
        logger.warning("Could not prepare fast code: %s", status.error)
        return
    try:
        done.touch()
    except OSError:
        logger.debug("Could not write %s", done, exc_info=True)


def _mark(folder: Path) -> Path:
    """Return the file that says that this code was compiled by this user."""
    home = Path(napari_qpm.__file__).parent
    sources = sorted(home.glob("*/_*.py"))
    facts = [getpass.getuser(), str(home), *map(str, versions().items())]
    facts += [f"{source}:{source.stat().st_mtime_ns}" for source in sources]
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
    return folder / f"napari-qpm-warm-{digest}"
