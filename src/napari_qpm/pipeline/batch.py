"""Several recordings, each into its own folder; one that fails stops no other."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import JobCancelled, QPMError
from napari_qpm.io import open_all
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.pipeline.description import Pipeline
from napari_qpm.pipeline.run import RunResult, run_pipeline

__all__ = ["BatchResult", "open_for", "run_batch"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchResult:
    """What became of each recording.

    Parameters
    ----------
    results
        One for each field of view that was processed.
    failures
        ``(input, reason)`` of each that was not.
    """

    results: tuple[RunResult, ...]
    failures: tuple[tuple[Path, QPMError], ...]

    def describe_failures(self) -> str:
        """Return one line that says what failed and why."""
        total = len(self.results) + len(self.failures)
        reasons = "; ".join(f"{path}: {error}" for path, error in self.failures)
        return f"{len(self.failures)} of {total} recordings failed. {reasons}"


def open_for(
    pipeline: Pipeline,
    path: Path,
    reference: Path | None = None,
    channel: str | None = None,
) -> list[Acquisition]:
    """Return every field of view of an input, read the way a pipeline says."""
    return open_all(
        path,
        modality=pipeline.modality,
        channel=channel,
        reference=reference,
        **pipeline.instrument,
    )


def run_batch(
    pipeline: Pipeline,
    inputs: Sequence[Path],
    folder: Path,
    *,
    reference: Path | None = None,
    channel: str | None = None,
    token: CancelToken | None = None,
    report: ReportProgress | None = None,
    overwrite: bool = False,
    scheduler: str | None = None,
) -> BatchResult:
    """Run a pipeline on several files or folders.

    Parameters
    ----------
    pipeline, token, report, overwrite, scheduler
        See `run_pipeline`.
    inputs
        Recordings; a file with several positions gives as many results.
    folder
        Gets one folder for each recording, named after it.
    reference
        Frame of an empty field for all of them.
    channel
        Name or number of the channel that makes the phase, in all of them.

    Raises
    ------
    JobCancelled
        `token` was cancelled; running again continues.
    """
    results: list[RunResult] = []
    failures: list[tuple[Path, QPMError]] = []
    for path, name in zip(inputs, result_names(inputs), strict=True):
        try:
            acquisitions = open_for(pipeline, path, reference, channel)
        except QPMError as error:
            failures.append((path, error))
            continue
        for acquisition, own_name in _fields(acquisitions, name):
            try:
                result = run_pipeline(
                    pipeline,
                    acquisition,
                    folder / own_name,
                    token,
                    _named(report, own_name if len(inputs) > 1 else ""),
                    overwrite,
                    scheduler,
                )
            except JobCancelled:
                raise
            except QPMError as error:
                failures.append((path, error))
            except Exception as error:
                logger.exception("Unexpected failure with %s", path)
                unexpected = QPMError(f"Unexpected {type(error).__name__}: {error}")
                failures.append((path, unexpected))
            else:
                results.append(result)
    return BatchResult(tuple(results), tuple(failures))


def result_names(inputs: Sequence[Path]) -> list[str]:
    """Return a folder name for each input: its stem, with its parent where needed."""
    stems = [_stem(path) for path in inputs]
    names: list[str] = []
    for path, stem in zip(inputs, stems, strict=True):
        parent = path.resolve().parent.name
        wanted = f"{parent}-{stem}" if stems.count(stem) > 1 and parent else stem
        name, copy = wanted, 2
        while name in names:
            name, copy = f"{wanted}-{copy}", copy + 1
        names.append(name)
    return names


def _stem(path: Path) -> str:
    """Return the name without its suffixes; dots inside a name stay."""
    name = path.resolve().name
    for suffix in (".ome.tiff", ".ome.tif", ".ome.zarr"):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name if path.is_dir() and not path.suffix else Path(name).stem or name


def _fields(
    acquisitions: list[Acquisition], name: str
) -> Iterator[tuple[Acquisition, str]]:
    """Yield each field of view with the name of its folder."""
    if len(acquisitions) == 1:
        yield acquisitions[0], name
        return
    width = len(str(len(acquisitions) - 1))
    for index, acquisition in enumerate(acquisitions):
        yield acquisition, f"{name}-position-{index:0{width}d}"


def _named(report: ReportProgress | None, name: str) -> ReportProgress | None:
    """Return a listener whose messages begin with the name of the recording."""
    if report is None or not name:
        return report

    def named(p: Progress) -> None:
        report(Progress(p.done, p.total, p.unit, f"{name}: {p.message}"))

    return named
