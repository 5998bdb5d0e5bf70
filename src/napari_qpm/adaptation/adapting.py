"""Adapt a model to a microscope: fit, match, fine-tune, judge, save."""

import dataclasses
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_qpm.acquisition import Acquisition
from napari_qpm.adaptation.learned import Learned, learn, spec_fields
from napari_qpm.adaptation.matching import (
    finest_needed,
    match_domain,
    on_network_grid,
)
from napari_qpm.adaptation.outcome import Adaptation, Judgement, is_better, judge
from napari_qpm.adaptation.own_frames import (
    LabelledFrame,
    label_frames,
    measure_objects,
)
from napari_qpm.adaptation.run_folder import run_folder
from napari_qpm.calibration import fit_instrument
from napari_qpm.errors import ParameterError, SidebandError
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.retrieval.nas_prnet_engine import DEFAULT_MODEL, find_model
from napari_qpm.retrieval.network_input import network_step
from napari_qpm.runtime import Model, ModelStore, open_session
from napari_qpm.runtime.spec import require_model_name

if TYPE_CHECKING:
    from napari_qpm.training.adapt import AdaptRecipe, OwnFrame

__all__ = ["MOST_MINUTES", "adapt"]

MOST_MINUTES = 120.0
LARGEST_SAMPLE_PX = {"cpu": 192, "cuda": 256}
SAMPLES_PER_STEP = {"cpu": 4, "cuda": 32}
MULTIPLE_PX = 32
STRIP_SHARE = 0.25
"""Of a single frame, kept out of the training so that the figures are honest."""
RESERVE_S = 15.0
"""Of the time, for judging and saving."""


def adapt(
    recordings: Acquisition | Iterable[Acquisition],
    *,
    name: str,
    model: str = DEFAULT_MODEL,
    minutes: float = 10.0,
    device: str = "auto",
    scale: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
    settings: Mapping[str, Any] | None = None,
    folder: Path | str | None = None,
    resume: bool = False,
    token: CancelToken | None = None,
    report: ReportProgress | None = None,
) -> Adaptation:
    """Make a model that fits a microscope better, from its own recordings.

    The fitted instrument drives simulations that match it; frames whose classical
    phase passes all checks teach, too. The model that it starts from stays as it is,
    and a new one is saved only if it does better.

    Parameters
    ----------
    recordings
        Off-axis holograms of one microscope with the same settings.
    name
        Of the new model: small letters, digits, ``-``, ``_``, ``.``.
    model
        Name of the model to start from.
    minutes
        For all of it, about.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    scale
        Camera pixels per pixel of the network; None = what suits fringes and cells.
    seed
        Of simulations and their order.
    overwrite
        Replace a model of the user of this name.
    settings
        Changes to how it learns, as in `training.make_recipe`.
    folder
        Of the training, to go on there after a stop; None = a temporary one.
    resume
        Go on in the folder, or begin if nothing is there.
    token
        Cancelled before the training, nothing is kept; during it, the best so far is,
        unless the folder holds a file named `PAUSE`.
    report
        To follow.

    Raises
    ------
    UnknownNameError
        There is no such model.
    OutputError
        The name is taken.
    ParameterError
        The time or the frames are too small.
    SidebandError
        The recordings show no clear carrier, or no fringes.
    JobCancelled
        `token` was set before anything was learned.
    """
    began = time.monotonic()
    token = token or CancelToken()
    report = report or (lambda progress: None)
    if not 0 < minutes <= MOST_MINUTES:
        raise ParameterError(f"Give 0 to {MOST_MINUTES:g} minutes, not {minutes}.")
    given = [recordings] if isinstance(recordings, Acquisition) else list(recordings)
    base = find_model(model)
    store = ModelStore()
    store.require_free(require_model_name(name), overwrite=overwrite)
    plan = _plan(given, base, device, scale, settings, token, report)
    session = open_session(base, device=device)
    before = judge(session, plan.judged, plan.step, plan.first_column, token)
    with run_folder(folder) as place:
        learned = learn(
            plan.recipe,
            base,
            place,
            device=device,
            seed=seed,
            budget_s=60 * minutes - (time.monotonic() - began) - RESERVE_S,
            resume=resume,
            token=token,
            report=report,
        )
        report(Progress(0, 0, "", "Judging and saving"))
        saved, after = _save(plan, base, learned, name, before, store, device)
    return Adaptation(
        name=saved,
        base=base.spec.name,
        before=before,
        after=after,
        frame=plan.judged.name,
        held_out=plan.held_out,
        n_own=len(plan.recipe.frames),
        n_frames=plan.n_frames,
        steps=learned.steps,
        minutes=(time.monotonic() - began) / 60,
        note=" ".join(filter(None, (plan.note, learned.note))),
    )


@dataclasses.dataclass(frozen=True)
class _Plan:
    """What is trained on what, and how it is judged."""

    recipe: "AdaptRecipe"
    judged: LabelledFrame
    step: int
    first_column: int
    held_out: str
    n_frames: int
    note: str


def _plan(
    recordings: list[Acquisition],
    base: Model,
    device: str,
    scale: int | None,
    settings: Mapping[str, Any] | None,
    token: CancelToken,
    report: ReportProgress,
) -> _Plan:
    from napari_qpm.training.adapt import AdaptRecipe
    from napari_qpm.training.devices import pick_device
    from napari_qpm.training.phase_recipes import NetworkKind
    from napari_qpm.training.recipes import with_settings

    instrument = fit_instrument(recordings, token, report).instrument
    frames = label_frames(recordings, token, report)
    if not frames:
        raise SidebandError("None of the frames shows fringes: nothing to adapt to.")
    objects = measure_objects(frames)
    trusted = [frame for frame in frames if frame.is_trusted]
    # As the base model would retrieve them: only so can the two be compared.
    step = network_step(frames[0].acquisition, scale, base.spec)
    if scale is None:
        step = finest_needed(trusted or frames, step)
    judged = (trusted or frames)[-1]
    teachers = trusted[:-1] if len(trusted) > 1 else trusted
    input_kind = str(base.spec.preprocessing.get("input", "heterodyne"))
    own = [on_network_grid(frame, step, input_kind) for frame in teachers]
    kind = pick_device(device).type
    pattern = own[0] if own else on_network_grid(frames[0], step, input_kind)
    first_column, held_out = 0, "which taught nothing"
    if len(trusted) == 1:
        own, first_column = _without_strip(own[0], LARGEST_SAMPLE_PX[kind])
        held_out = (
            "its right quarter, which taught nothing"
            if first_column
            else "which also taught: too small to keep a part out"
        )
    shape = _sample_shape(own or [pattern], LARGEST_SAMPLE_PX[kind])
    spec = base.spec
    domain = match_domain(
        spec.training.get("config", {}).get("domain", {}),
        instrument,
        objects,
        pattern,
        step,
        shape=shape,
        input_kind=input_kind,
        range_rad=spec.output_scale,
    )
    recipe = AdaptRecipe(
        domain=domain,
        frames=tuple(own),
        base=spec.name,
        network=NetworkKind(spec.architecture),
        connections=spec.config.get("connections"),
        width=int(spec.config.get("width", 64)),
    )
    changes = {"batch_size": SAMPLES_PER_STEP[kind], **(settings or {})}
    recipe = with_settings(recipe, changes)
    note = "" if trusted else _why_untrusted(frames)
    return _Plan(recipe, judged, step, first_column, held_out, len(frames), note)


def _without_strip(frame: "OwnFrame", largest_px: int) -> tuple[list["OwnFrame"], int]:
    """Return a frame without its right part, and the first column of that.

    Column 0 where the rest would be too narrow for a sample.
    """
    width = frame.hologram.shape[1]
    first = round((1 - STRIP_SHARE) * width)
    if first < min(largest_px, frame.hologram.shape[0] // MULTIPLE_PX * MULTIPLE_PX):
        return [frame], 0
    return [frame.columns(0, first)], first


def _sample_shape(frames: list["OwnFrame"], largest_px: int) -> tuple[int, int]:
    """Return the largest square of whole strides that every frame holds."""
    side = min(min(frame.hologram.shape) for frame in frames)
    side = min(largest_px, side // MULTIPLE_PX * MULTIPLE_PX)
    if side < MULTIPLE_PX:
        raise ParameterError(
            f"The frames are smaller than {MULTIPLE_PX} pixels on the network's grid. "
            "Take larger frames, or scale=1."
        )
    return side, side


def _why_untrusted(frames: list[LabelledFrame]) -> str:
    worst = frames[-1].checks
    return (
        f"No frame taught: the classical phase of {frames[-1].name} is "
        f"{worst.verdict.value} ({worst.summary()}). Simulations alone did."
    )


def _save(
    plan: _Plan,
    base: Model,
    learned: Learned,
    name: str,
    before: Judgement,
    store: ModelStore,
    device: str,
) -> tuple[str | None, Judgement]:
    """Judge what was learned and save it if it is better; return name and judgement."""
    from napari_qpm.runtime.export import save_model

    network, fields = learned.network(), _fields(plan, base, learned, name)
    draft_folder = learned.folder / "draft" / name
    draft = save_model(draft_folder, fields, network, graph_of=base, overwrite=True)
    session = open_session(draft, device=device)
    after = judge(session, plan.judged, plan.step, plan.first_column)
    if not is_better(before, after):
        return None, after
    fields["metrics"] = {
        "own_frame": {
            "frame": plan.judged.name,
            "held_out": plan.held_out,
            "before": before.to_dict(),
            "after": after.to_dict(),
        }
    }
    save_model(store.user / name, fields, network, graph_of=base, overwrite=True)
    return name, after


def _fields(plan: _Plan, base: Model, learned: Learned, name: str) -> dict[str, Any]:
    """Return the fields of the new model's spec."""
    domain = plan.recipe.domain
    period = domain.period_px[0]
    title = f"{name} (adapted from {base.spec.title})"
    fields = spec_fields(base, learned, name, title)
    fields["preprocessing"] |= {"scale": plan.step}
    fields["valid"] |= {
        "period_px": [0.9 * period, 1.1 * period],
        "phase_rad": list(domain.phase_rad),
        "size_px": list(domain.size_px),
    }
    return fields
