"""Learning from the weights of a model, and the model that comes of it."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_qpm.adaptation.run_folder import PAUSE, seconds_before
from napari_qpm.errors import JobCancelled
from napari_qpm.jobs import CancelToken, ReportProgress
from napari_qpm.runtime import Model

if TYPE_CHECKING:
    from torch import nn

    from napari_qpm.training.recipe import Recipe

__all__ = ["Learned", "learn", "spec_fields"]

LEAST_TRAINING_S = 5.0


@dataclasses.dataclass(frozen=True)
class Learned:
    """A training that ended, at its end or before.

    Parameters
    ----------
    recipe, folder
        Of the training.
    steps, seconds, best_step
        How long it was, and where it was best.
    origin
        Provenance, as the trainer writes it.
    note
        What the user should know.
    """

    recipe: "Recipe"
    folder: Path
    steps: int
    seconds: float
    best_step: int
    origin: dict[str, Any]
    note: str = ""

    def network(self) -> "nn.Module":
        """Return the network with its best weights."""
        from napari_qpm.training.checkpoint import load_weights
        from napari_qpm.training.trainer import BEST

        network = self.recipe.make_network()
        load_weights(self.folder / BEST, network)
        return network


def learn(
    recipe: "Recipe",
    base: Model,
    folder: Path,
    *,
    device: str,
    seed: int,
    budget_s: float,
    resume: bool,
    token: CancelToken,
    report: ReportProgress,
) -> Learned:
    """Train from the base's weights; a cancelled training gives the best so far.

    What a training that goes on took before counts in the budget.

    Raises
    ------
    JobCancelled
        It is to wait, or was stopped before the network got better.
    """
    from napari_qpm.training import pick_device, train
    from napari_qpm.training.checkpoint import load_state
    from napari_qpm.training.trainer import CHECKPOINT, SUMMARY

    base.verify()
    checkpoint, note = folder / CHECKPOINT, ""
    budget_s -= seconds_before(folder) if resume else 0.0
    try:
        train(
            recipe,
            folder,
            device=pick_device(device),
            seed=seed,
            resume=resume,
            time_budget_s=max(LEAST_TRAINING_S, budget_s),
            initial=base.weights_path,
            token=token,
            report=lambda p: report(dataclasses.replace(p, message="Learning")),
        )
    except JobCancelled:
        if (folder / PAUSE).exists() or not checkpoint.is_file():
            raise
        note = "Stopped early; the best until then is kept."
    state = load_state(checkpoint)
    best_step = state["best"]["step"]
    if note and not best_step:
        raise JobCancelled("The training was stopped before the network got better.")
    summary, origin = folder / SUMMARY, {}
    if summary.is_file():
        origin = json.loads(summary.read_text("utf-8"))["origin"]
    return Learned(
        recipe, folder, state["step"], state["seconds"], best_step, origin, note
    )


def spec_fields(base: Model, learned: Learned, name: str, title: str) -> dict[str, Any]:
    """Return the fields of the new model's spec; it takes what its base takes."""
    spec, recipe = base.spec, learned.recipe
    return {
        "name": name,
        "title": title,
        "kind": spec.kind,
        "architecture": spec.architecture,
        "modality": spec.modality,
        "config": dict(spec.config),
        "preprocessing": dict(spec.preprocessing),
        "valid": dict(spec.valid),
        "tile": dict(spec.tile),
        "training": {
            "recipe": recipe.name,
            "config": json.loads(json.dumps(recipe.config(), default=str)),
            "steps": learned.steps,
            "samples": learned.steps * recipe.trainer.batch_size,
            "minutes": round(learned.seconds / 60, 2),
            **learned.origin,
        },
        "metrics": {},
        "base": spec.name,
        "licence": spec.licence,
    }
