"""`evaluate`: a model on its held-out set, beside what it is to be compared with."""

from collections.abc import Sequence

from napari_qpm.errors import ParameterError
from napari_qpm.evaluation.rows import Evaluation
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.runtime import ModelStore

__all__ = ["evaluate"]


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
        Of an installed model.
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
    model = ModelStore().check(name)
    if model.spec.kind != "phase" or model.spec.modality not in ("", "off-axis"):
        raise ParameterError(
            f"{name} gives {model.spec.kind} of {model.spec.modality or 'any'} "
            "recordings; there is a held-out set for phase of off-axis holograms only."
        )
    if limit is not None and limit < 1:
        raise ParameterError(f"The limit is at least 1 frame, not {limit}.")
    from napari_qpm.evaluation.phase_evaluation import PhaseEvaluator

    evaluator = PhaseEvaluator(
        model, token or CancelToken(), report or _ignore, with_latency=with_latency
    )
    return evaluator.run(limit, rows)


def _ignore(progress: Progress) -> None:
    """Tell nobody."""
