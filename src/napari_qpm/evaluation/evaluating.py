"""`evaluate`: a model on its held-out set, beside what it is to be compared with."""

from collections.abc import Sequence

from napari_qpm.errors import ParameterError
from napari_qpm.evaluation.rows import Evaluation
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.runtime import Model, ModelStore

__all__ = ["evaluate"]

CELL_MODELS = ("dm-qpmnet", "dm-qpmnet-phase")
"""Have a set, and rows of other methods on it, even where they are not installed."""


def evaluate(
    name: str,
    *,
    limit: int | None = None,
    rows: Sequence[str] | None = None,
    with_latency: bool = True,
    token: CancelToken | None = None,
    report: ReportProgress | None = None,
) -> Evaluation:
    """Return how a model does on the held-out set of its kind.

    Parameters
    ----------
    name
        Of an installed model, or of one that finds cells and will come.
    limit
        Only the first frames of the set.
    rows
        Keys of the rows beside the model's; None = all there are.
    with_latency
        Whether to time 1024 x 1024, too.
    token, report
        Cancel and progress.

    Raises
    ------
    UnknownNameError
        There is no such model or row.
    ParameterError
        There is no set for its kind, or the limit is no number of frames.
    """
    if limit is not None and limit < 1:
        raise ParameterError(f"The limit is at least 1 frame, not {limit}.")
    token, report = token or CancelToken(), report or _ignore
    store = ModelStore()
    is_installed = name in {spec.name for spec in store.specs()}
    if not is_installed and name in CELL_MODELS:
        return _of_cells(name, None, limit, rows, with_latency, token, report)
    model = store.check(name)
    if model.spec.kind == "cells":
        return _of_cells(name, model, limit, rows, with_latency, token, report)
    if model.spec.kind != "phase" or model.spec.modality not in ("", "off-axis"):
        raise ParameterError(
            f"{name} gives {model.spec.kind} of {model.spec.modality or 'any'} "
            "recordings; there are held-out sets for phase of off-axis holograms and "
            "for cells."
        )
    from napari_qpm.evaluation.phase_evaluation import PhaseEvaluator

    evaluator = PhaseEvaluator(model, token, report, with_latency=with_latency)
    return evaluator.run(limit, rows)


def _of_cells(
    name: str,
    model: Model | None,
    limit: int | None,
    rows: Sequence[str] | None,
    with_latency: bool,
    token: CancelToken,
    report: ReportProgress,
) -> Evaluation:
    from napari_qpm.evaluation.cell_evaluation import CellEvaluator

    evaluator = CellEvaluator(name, model, token, report, with_latency=with_latency)
    return evaluator.run(limit, rows)


def _ignore(progress: Progress) -> None:
    """Tell nobody."""
