"""Teach a network the cells that a person outlined: learn, judge, save.

All that happens lies in one folder, so that what was stopped or killed goes on there.
"""

import csv
import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_qpm.adaptation.cell_outcome import (
    FineTuning,
    is_better,
    judge_cells,
)
from napari_qpm.adaptation.learned import Learned, learn, spec_fields
from napari_qpm.adaptation.run_folder import PREVIEW, run_folder
from napari_qpm.errors import ParameterError
from napari_qpm.files import write_atomically
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.runtime import Model, ModelStore, open_session
from napari_qpm.runtime.spec import require_model_name
from napari_qpm.segmentation.annotated import AnnotatedFrame
from napari_qpm.segmentation.cell_input import cell_input
from napari_qpm.segmentation.cell_models import (
    channels_of,
    find_cell_model,
    require_angles,
)
from napari_qpm.segmentation.dm_qpmnet_engine import (
    DMQPMNetPhaseParameters,
    labels_by_session,
)
from napari_qpm.segmentation.hold_out import HoldOut, hold_out
from napari_qpm.segmentation.network_grid import (
    grid_step,
    images_on_grid,
    values_on_grid,
)

if TYPE_CHECKING:
    from napari_qpm.acquisition import PhaseMap
    from napari_qpm.training.own_cells import CellFrame, FineTuneRecipe

__all__ = ["DEFAULT_MODEL", "MOST_MINUTES", "fine_tune"]

logger = logging.getLogger(__name__)

DEFAULT_MODEL = "dm-qpmnet-phase"
MOST_MINUTES = 600.0
SAMPLE_PX = 128
SAMPLES_PER_STEP = {"cpu": 4, "cuda": 16}
RESERVE_S = 10.0
"""Of the time, for judging and saving."""
FEW_STEPS = 20
PREVIEW_PAUSE = 30
"""Times as long as making it took, the next one waits."""


def fine_tune(
    frames: Sequence[AnnotatedFrame],
    *,
    name: str,
    model: str = DEFAULT_MODEL,
    minutes: float = 5.0,
    device: str = "auto",
    seed: int = 0,
    overwrite: bool = False,
    keep_worse: bool = False,
    parameters: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    folder: Path | str | None = None,
    resume: bool = False,
    preview: "PhaseMap | None" = None,
    token: CancelToken | None = None,
    report: ReportProgress | None = None,
) -> FineTuning:
    """Make a model that finds your cells better, from cells that you outlined.

    The model that it starts from stays as it is; the new one is saved beside it, and
    only if it does better on frames, or parts of frames, that taught nothing.

    Parameters
    ----------
    frames
        As `annotated_frames` gives them.
    name
        Of the new model: small letters, digits, ``-``, ``_``, ``.``.
    model
        Name of the model to start from.
    minutes
        For all of it, about; a training that goes on counts what it took before.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    seed
        Of pieces and their order.
    overwrite
        Replace a model of the user of this name.
    keep_worse
        Save the new model even if it is no better.
    parameters
        Of the engine, such as ``cell_diameter``, as the new model will be used.
    settings
        Changes to how it learns, as in `training.make_recipe`.
    folder
        Of the training, to go on there after a stop; None = a temporary one.
    resume
        Go on in the folder, or begin if nothing is there.
    preview
        Frame whose cells are written into the folder whenever the network got better.
    token
        Cancelled before anything was learned, nothing is kept; later, the best so far
        is, unless the folder holds a file named `PAUSE`.
    report
        To follow.

    Raises
    ------
    UnknownNameError
        There is no such model.
    ModalityError
        The model needs angles that a recording lacks, or finds no cells.
    OutputError
        The name is taken, or the disk is full.
    ParameterError
        There is nothing to learn from, the time is no time, or memory is short.
    JobCancelled
        `token` was set before anything was learned, or to pause.
    """
    from napari_qpm.runtime.export import save_model

    began = time.monotonic()
    token, report = token or CancelToken(), report or (lambda progress: None)
    if not 0 < minutes <= MOST_MINUTES:
        raise ParameterError(f"Give 0 to {MOST_MINUTES:g} minutes, not {minutes}.")
    frames = list(frames)
    base, store = find_cell_model(model), ModelStore()
    store.require_free(require_model_name(name), overwrite=overwrite)
    for frame in frames:
        require_angles(base.spec, frame.phase_map.acquisition)
    values = {key: v for key, v in (parameters or {}).items() if key != "model"}
    chosen = DMQPMNetPhaseParameters.parse(values)
    held_out = hold_out(frames)
    recipe = _recipe(frames, held_out, base, chosen, device, settings)
    with run_folder(folder) as place:
        report(Progress(0, 0, "", "Judging the present model"))
        session = open_session(base, device=device)
        before = judge_cells(session, frames, held_out, chosen, token)
        watch = _Watch(recipe, place, base, chosen, preview, device, report)
        spent_s = time.monotonic() - began + RESERVE_S
        budget_s = 60 * minutes - spent_s
        learned = learn(
            recipe,
            base,
            place,
            device=device,
            seed=seed,
            budget_s=budget_s,
            resume=resume,
            token=token,
            report=watch,
        )
        report(Progress(0, 0, "", "Judging and saving"))
        network, fields = learned.network(), _fields(base, learned, name)
        draft = save_model(
            place / "draft" / name, fields, network, graph_of=base, overwrite=True
        )
        session = open_session(draft, device=device)
        after = judge_cells(session, frames, held_out, chosen)
        is_saved = keep_worse or is_better(before, after)
        if is_saved:
            fields["metrics"] = {
                "own_frames": {
                    "judged": held_out.described,
                    "is_honest": held_out.is_honest,
                    "before": dataclasses.asdict(before),
                    "after": dataclasses.asdict(after),
                }
            }
            save_model(
                store.user / name, fields, network, graph_of=base, overwrite=True
            )
    return FineTuning(
        name=name if is_saved else None,
        base=base.spec.name,
        before=before,
        after=after,
        frame=held_out.described,
        is_honest=held_out.is_honest,
        n_frames=len(frames),
        n_cells=sum(frame.n_cells for frame in frames),
        steps=learned.steps,
        minutes=learned.seconds / 60,
        note=" ".join(filter(None, (learned.note, _advice(frames, learned.steps)))),
    )


def _advice(frames: Sequence[AnnotatedFrame], steps: int) -> str:
    """Return what would have helped the network."""
    if steps < FEW_STEPS:
        return "There was hardly time to learn: give it more minutes."
    if any((frame.judged() & (frame.labels == 0)).any() for frame in frames):
        return ""
    return (
        "Nothing says where no cells are: mark a frame as done once all its cells are "
        "outlined."
    )


# --- What teaches --------------------------------------------------------------------


def _recipe(
    frames: Sequence[AnnotatedFrame],
    held_out: HoldOut,
    base: Model,
    parameters: DMQPMNetPhaseParameters,
    device: str,
    settings: Mapping[str, Any] | None,
) -> "FineTuneRecipe":
    from napari_qpm.training.cell_fields import CellDomain
    from napari_qpm.training.devices import pick_device
    from napari_qpm.training.own_cells import FineTuneRecipe
    from napari_qpm.training.recipes import with_settings

    spec = base.spec
    known = {one.name for one in dataclasses.fields(CellDomain)}
    learned = spec.training.get("config", {}).get("domain", {})
    # The maps of the first training need not be on this computer.
    domain = {key: value for key, value in learned.items() if key in known}
    side = int(spec.tile_px or SAMPLE_PX) if spec.tile.get("fixed") else SAMPLE_PX
    domain |= {"real_maps": "", "shape": (side, side)}
    network = {key: v for key, v in spec.config.items() if key != "in_channels"}
    recipe = FineTuneRecipe(
        domain=CellDomain(**domain),
        frames=_on_grid(frames, held_out.teach, base, parameters),
        judges=_on_grid(frames, held_out.judge, base, parameters),
        base=spec.name,
        **network,
    )
    kind = pick_device(device).type
    changes = {"batch_size": SAMPLES_PER_STEP[kind], **(settings or {})}
    changed: FineTuneRecipe = with_settings(recipe, changes)
    return changed


def _on_grid(
    frames: Sequence[AnnotatedFrame],
    masks: Sequence["np.ndarray[Any, Any]"],
    base: Model,
    parameters: DMQPMNetPhaseParameters,
) -> tuple["CellFrame", ...]:
    """Return what the network sees of the frames that have a pixel in their mask."""
    from napari_qpm.training.own_cells import CellFrame

    made = []
    for frame, mask in zip(frames, masks, strict=True):
        if not mask.any():
            continue
        images = cell_input(frame.phase_map, 0, channels_of(base.spec))
        step = grid_step(frame.phase_map, 0, base.spec, parameters.cell_diameter)
        labels, judged = (values_on_grid(one, step) for one in (frame.labels, mask))
        if judged.any():
            made.append(CellFrame.of(images_on_grid(images, step), labels, judged))
    return tuple(made)


# --- Learning ------------------------------------------------------------------------


class _Watch:
    """Passes progress on, and shows a frame by the best weights when they change.

    Parameters
    ----------
    recipe, folder
        Of the training.
    base, parameters, preview, device
        How the frame is segmented, and where.
    report
        Gets the progress.
    """

    def __init__(
        self,
        recipe: "FineTuneRecipe",
        folder: Path,
        base: Model,
        parameters: DMQPMNetPhaseParameters,
        preview: "PhaseMap | None",
        device: str,
        report: ReportProgress,
    ):
        self._recipe, self._folder, self._base = recipe, folder, base
        self._parameters, self._preview = parameters, preview
        self._device, self._report = device, report
        self._shown = self._not_before = 0.0

    def __call__(self, progress: Progress) -> None:
        """Report that the training moved on."""
        if self._preview is not None and time.monotonic() >= self._not_before:
            self._show(self._preview)
        self._report(progress)

    def _show(self, preview: "PhaseMap") -> None:
        from napari_qpm.runtime.torch_session import TorchSession
        from napari_qpm.training.checkpoint import load_weights
        from napari_qpm.training.trainer import BEST

        path = self._folder / BEST
        changed = path.stat().st_mtime if path.is_file() else 0.0
        if changed <= self._shown:
            return
        began, self._shown = time.monotonic(), changed
        network = self._recipe.make_network().eval()
        load_weights(path, network)
        session = TorchSession(self._base, self._device, network=network)
        labels = labels_by_session(session, preview, self._parameters, CancelToken())
        write_atomically(self._folder / PREVIEW, lambda file: np.save(file, labels[0]))
        now = time.monotonic()
        self._not_before = now + PREVIEW_PAUSE * (now - began)


def _fields(base: Model, learned: Learned, name: str) -> dict[str, Any]:
    """Return the fields of the new model's spec."""
    title = f"{name} (taught from {base.spec.title})"
    fields = spec_fields(base, learned, name, title)
    fields["training"] |= {
        "best_step": learned.best_step,
        "validation": _history(learned.folder),
    }
    return fields


def _history(folder: Path) -> list[dict[str, float]]:
    """Return the scores of all validations."""
    with (folder / "validation.csv").open(newline="", encoding="utf-8") as file:
        return [
            {key: float(value) for key, value in row.items()}
            for row in csv.DictReader(file)
        ]
