"""The training loop of every network: budgets, checkpoints, the best weights kept.

Samples, learning rate and dropout depend on seed and step only, so a training that was
stopped and resumed ends, on the CPU, with the same bits as one that was not.
"""

import json
import logging
import math
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_qpm.errors import (
    OutOfDeviceMemoryError,
    OutputError,
    QPMError,
)
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.training.averaging import WeightAverage
from napari_qpm.training.checkpoint import (
    TableLog,
    load_state,
    load_weights,
    require_same,
    save_json,
    save_state,
    save_weights,
)
from napari_qpm.training.devices import describe_device
from napari_qpm.training.pace import StepClock, learning_rate_at
from napari_qpm.training.provenance import origin
from napari_qpm.training.recipe import (
    Batch,
    OptimizerKind,
    Recipe,
    Stream,
    TrainerSettings,
)
from napari_qpm.training.seeds import seed_of

__all__ = ["StopReason", "TrainingResult", "train"]

logger = logging.getLogger(__name__)

CHECKPOINT, BEST, SUMMARY = "checkpoint.pt", "best.safetensors", "run.json"
VALIDATION_STREAM = 1
NOT_ENOUGH = "not enough memory"
"""What torch says where the processor's memory is short."""
PROBE_STEPS, PROBE_SKIPPED = 20, 4
"""Steps after which a time budget becomes a number of steps; the first are slow.
Each validation corrects it, as a machine may be busy at times."""
BUDGET_MARGIN = 0.95
MOMENTUM = 0.99
"""Of SGD, as nnU-Net has it."""
TIMED_STEPS = 8
"""Steps before each log row in which data and network are timed apart."""


class StopReason(StrEnum):
    """Why a training ended."""

    COMPLETED = "completed"
    """All steps are done."""
    OUT_OF_TIME = "out of time"
    """The time budget ran out; it can be resumed."""


@dataclass(frozen=True)
class TrainingResult:
    """What came of a training.

    Parameters
    ----------
    folder
        Holds weights, log and checkpoint.
    steps, seconds
        Done so far, all sessions together.
    reason
        Why it ended.
    best_step, scores
        Of the weights that are kept.
    facts
        What else the recipe found.
    """

    folder: Path
    steps: int
    seconds: float
    reason: StopReason
    best_step: int
    scores: dict[str, float]
    facts: dict[str, Any] = field(default_factory=dict)


def train(
    recipe: Recipe,
    folder: Path | str,
    *,
    device: torch.device | str = "cpu",
    seed: int = 0,
    resume: bool = False,
    time_budget_s: float | None = None,
    shortens_schedule: bool = True,
    initial: Path | None = None,
    token: CancelToken | None = None,
    report: ReportProgress | None = None,
) -> TrainingResult:
    """Train a network and keep the weights with the best validation score.

    Parameters
    ----------
    recipe
        What is trained, and how.
    folder
        Gets ``best.safetensors``, ``run.json``, ``training.csv``, ``validation.csv``
        and ``checkpoint.pt``.
    device
        Where to train.
    seed
        Of weights and samples.
    resume
        Go on from the checkpoint in the folder, or begin if there is none.
    time_budget_s
        For this session.
    shortens_schedule
        Whether the time budget of a fresh training also shortens its schedule to what
        the measured speed allows, so that the learning rate comes to its end in time.
        Otherwise the training is one of several sessions.
    initial
        Safetensors file with the weights to begin with; a resumed training has its own.
    token, report
        To cancel, and to watch. A cancelled training keeps checkpoint and best weights.

    Raises
    ------
    OutputError
        The folder holds a training and `resume` is not set, or cannot be written.
    ParameterError
        The checkpoint is of another recipe, configuration or seed.
    OutOfDeviceMemoryError
        Memory is short.
    JobCancelled
        `token` was set.
    """
    session = _Session(
        recipe, Path(folder), torch.device(device), seed, resume, initial
    )
    try:
        return session.run(
            time_budget_s,
            shortens_schedule,
            token or CancelToken(),
            report or (lambda progress: None),
        )
    except (MemoryError, RuntimeError) as error:
        # torch has an error class of its own for the memory of a card only.
        is_memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not is_memory and NOT_ENOUGH not in str(error):
            raise
        raise OutOfDeviceMemoryError(
            f"Step {session.step} does not fit into the memory of "
            f"{describe_device(session.device)}. Take a smaller batch_size or shape, "
            "or close other programs. What was saved before is intact."
        ) from error


class _Session:
    """State of one training and its loop."""

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        device: torch.device,
        seed: int,
        resume: bool,
        initial: Path | None,
    ):
        self._began = time.monotonic()
        self.recipe, self.folder, self.device = recipe, folder, device
        self.settings = recipe.trainer
        self.identity = {"recipe": recipe.name, "seed": seed, **recipe.config()}
        self.origin = origin(device)
        self.step, self.total = 0, self.settings.steps
        self.seconds_before = 0.0
        self.best: dict[str, Any] = {"step": 0, "scores": {}}
        torch.manual_seed(seed)
        self.network = recipe.make_network()
        self.earlier: list[dict[str, Any]] = []
        if initial is not None:
            load_weights(initial, self.network)
            self.earlier = _history_of(initial)
        self.network.to(device)
        if not _has_instance_norms(self.network):
            # Convolutions of few channels run up to twice as fast in this layout;
            # instance norms, which copy the images into the other, take that back.
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = _make_optimizer(
            recipe.parameter_groups(self.network), self.settings
        )
        self.average = WeightAverage(self.network, self.settings.ema_decay)
        self.stream = recipe.make_stream(
            seed_of(seed, 0), device, self.settings.batch_size
        )
        self.validation = _validation_set(recipe, seed, device)
        has_earlier = self._open_folder(resume)
        kept = self.step if has_earlier else None
        self.log = TableLog(folder / "training.csv", kept)
        self.score_log = TableLog(folder / "validation.csv", kept)
        self._clock = StepClock(device)

    # --- Loop ----------------------------------------------------------------------

    def run(
        self,
        budget_s: float | None,
        shortens_schedule: bool,
        token: CancelToken,
        report: ReportProgress,
    ) -> TrainingResult:
        """Train until all steps are done or the time is over."""
        planned_s = budget_s if shortens_schedule and self.step == 0 else None
        validation_s = 0.0
        reason = StopReason.COMPLETED
        logger.info(
            "%s on %s, from step %d", self.recipe.name, self.origin["device"], self.step
        )
        if self.step == 0:
            validation_s = self._validate()
        probe_began = time.monotonic()
        while self.step < self.total:
            if token.is_cancelled:
                self._save()
                token.raise_if_cancelled()
            if budget_s and self._elapsed + 1.5 * validation_s > budget_s:
                reason = StopReason.OUT_OF_TIME
                break
            losses = self._make_step()
            if self._is_due("log_every"):
                self._write_log(losses)
                report(self._progress())
            if self._is_due("validate_every"):
                validation_s = self._validate()
                report(self._progress())
            if self._is_due("checkpoint_every"):
                self._check(losses)
                self._save()
            if self.step == PROBE_SKIPPED:
                self._clock.wait()
                probe_began = time.monotonic()
            is_probed = self.step == PROBE_STEPS or self._is_due("validate_every")
            if planned_s and is_probed:
                self._clock.wait()
                self._plan(planned_s, time.monotonic() - probe_began, validation_s)
        return self._close(reason)

    def _make_step(self) -> dict[str, Tensor]:
        """Make one optimizer step and return its loss terms, not yet waited for."""
        settings = self.settings
        rate = learning_rate_at(
            self.step,
            self.total,
            settings.learning_rate,
            settings.final_learning_rate,
            settings.warmup_steps,
            is_polynomial=settings.optimizer is OptimizerKind.SGD,
        )
        for group in self.optimizer.param_groups:
            is_waiting = self.step < group.get("waiting_share", 0.0) * self.total
            group["lr"] = 0.0 if is_waiting else rate * group.get("lr_factor", 1.0)
        upcoming = settings.log_every - self.step % settings.log_every
        self._clock.is_exact = upcoming <= TIMED_STEPS
        self._clock.start()
        batch = self.stream.batch(self.step)
        self._clock.lap("data")
        self.network.train()
        with self._precision():
            losses = self.recipe.loss(self.network, batch)
        total = torch.stack(list(losses.values())).sum()
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip_norm)
        self.optimizer.step()
        self.recipe.after_step(self.network)
        self.step += 1
        self.average.update(self.step)
        self._clock.lap("network")
        return {"loss": total.detach(), **losses}

    def _precision(self) -> torch.autocast:
        is_on = (
            self.settings.mixed_precision
            and self.device.type == "cuda"
            and torch.cuda.is_bf16_supported(including_emulation=False)
        )
        return torch.autocast(self.device.type, torch.bfloat16, enabled=is_on)

    def _plan(
        self, budget_s: float, seconds_since_probe: float, validation_s: float
    ) -> None:
        """Fit the schedule into the time budget, as fast as steps went so far."""
        done = self.step - PROBE_SKIPPED
        if done < PROBE_STEPS - PROBE_SKIPPED:
            return
        step_s = seconds_since_probe / done
        left = BUDGET_MARGIN * budget_s - self._elapsed - validation_s
        if self.step == PROBE_STEPS:
            step_s += validation_s / self.settings.validate_every
        affordable = self.step + max(1, int(left / step_s))
        self.total = min(self.settings.steps, affordable)
        logger.info("%.2f s a step: %d steps are planned", step_s, self.total)

    # --- What is seen and kept -----------------------------------------------------

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    @property
    def _seconds(self) -> float:
        return self.seconds_before + self._elapsed

    def _is_due(self, interval: str) -> bool:
        return self.step % int(getattr(self.settings, interval)) == 0

    def _check(self, losses: dict[str, Tensor]) -> None:
        """Raise if the loss is no number; waits for the device."""
        loss = float(losses["loss"])
        if not math.isfinite(loss):
            raise QPMError(
                f"The loss became {loss} by step {self.step}. What {self.folder} holds "
                "is from before; begin again with a lower learning_rate."
            )

    def _progress(self) -> Progress:
        score = self.best["scores"].get(self.recipe.score_name)
        message = "" if score is None else f"best {self.recipe.score_name} {score:.4g}"
        return Progress(self.step, self.total, "steps", message)

    def _write_log(self, losses: dict[str, Tensor]) -> None:
        self._check(losses)
        values = {name: float(value.detach()) for name, value in losses.items()}
        row: dict[str, Any] = {
            "step": self.step,
            "seconds": self._seconds,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "data_share": self._clock.share("data"),
            "step_s": self._clock.per_step(),
            **values,
        }
        self.log.add(row)
        self._clock.reset()

    @torch.no_grad()
    def _validate(self) -> float:
        """Score the averaged weights, keep them if none were better; return seconds."""
        began = time.monotonic()
        network = self.average.network
        network.eval()
        with self._precision():
            outputs = [network(batch.inputs).float() for batch in self.validation]
        target = torch.cat([batch.target for batch in self.validation])
        scores = self.recipe.scores(torch.cat(outputs), target)
        self.score_log.add({"step": self.step, "seconds": self._seconds, **scores})
        name = self.recipe.score_name
        logger.info(
            "step %d of %d, %.0f s: %s",
            self.step,
            self.total,
            self._seconds,
            ", ".join(f"{key} {value:.4g}" for key, value in scores.items()),
        )
        if scores[name] > self.best["scores"].get(name, -math.inf):
            self.best = {"step": self.step, "scores": scores}
            save_weights(self.folder / BEST, network)
        return time.monotonic() - began

    def _close(self, reason: StopReason) -> TrainingResult:
        if self.step % self.settings.validate_every:
            self._validate()
        self._save()
        network = self.recipe.make_network()
        load_weights(self.folder / BEST, network)
        facts = self.recipe.finish(network.eval(), self.folder)
        result = TrainingResult(
            self.folder,
            self.step,
            self._seconds,
            reason,
            self.best["step"],
            self.best["scores"],
            facts,
        )
        save_json(
            self.folder / SUMMARY,
            {
                "config": self.identity,
                "steps": self.step,
                "planned_steps": self.total,
                "samples": self.step * self.settings.batch_size,
                "seconds": round(self._seconds, 1),
                "stopped": reason.value,
                "best": self.best,
                "earlier": self.earlier,
                "params": sum(p.numel() for p in network.parameters()),
                "origin": self.origin,
                **facts,
            },
        )
        return result

    # --- Checkpoints ---------------------------------------------------------------

    def _save(self) -> None:
        has_gpu = self.device.type == "cuda"
        state = {
            "identity": json.dumps(self.identity, default=str),
            "step": self.step,
            "total": self.total,
            "seconds": self._seconds,
            "best": self.best,
            "earlier": json.dumps(self.earlier, default=str),
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "random_gpu": torch.cuda.get_rng_state(self.device) if has_gpu else None,
        }
        if self.settings.ema_decay:
            state["average"] = self.average.network.state_dict()
        save_state(self.folder / CHECKPOINT, state)

    def _open_folder(self, resume: bool) -> bool:
        """Make the folder or take over its checkpoint; return whether there is one."""
        path = self.folder / CHECKPOINT
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.folder} cannot be made: {error}.") from error
        if not path.exists():
            return False
        if not resume:
            raise OutputError(
                f"{self.folder} holds a training. Resume it, or name another folder."
            )
        state = load_state(path)
        require_same(json.loads(state["identity"]), self.identity, self.folder)
        self.step, self.total = state["step"], state["total"]
        self.seconds_before, self.best = state["seconds"], state["best"]
        self.earlier = json.loads(state["earlier"])
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.settings.ema_decay:
            self.average.network.load_state_dict(state["average"])
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and state["random_gpu"] is not None:
            torch.cuda.set_rng_state(state["random_gpu"], self.device)
        return True


def _has_instance_norms(network: nn.Module) -> bool:
    return any(isinstance(module, nn.InstanceNorm2d) for module in network.modules())


def _make_optimizer(
    groups: list[dict[str, Any]], settings: TrainerSettings
) -> torch.optim.Optimizer:
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer is OptimizerKind.SGD:
        return torch.optim.SGD(
            groups, lr=rate, momentum=MOMENTUM, weight_decay=decay, nesterov=True
        )
    return torch.optim.AdamW(groups, lr=rate, weight_decay=decay)


def _history_of(weights: Path) -> list[dict[str, Any]]:
    """Return the trainings that weights come from, first one first.

    None is known if they lie in no folder of a training.
    """
    path = weights.parent / SUMMARY
    if not path.is_file():
        return []
    summary = json.loads(path.read_text(encoding="utf-8"))
    names = ("config", "steps", "samples", "seconds", "origin")
    own = {name: summary[name] for name in names if name in summary}
    return [*summary.get("earlier", []), own]


def _validation_set(recipe: Recipe, seed: int, device: torch.device) -> list[Batch]:
    """Return the same samples in every session, unseen in training."""
    settings = recipe.trainer
    size = min(settings.batch_size, settings.n_validation)
    own_seed = seed_of(seed, VALIDATION_STREAM)
    stream: Stream = recipe.make_validation(own_seed, device, size)
    n_batches = math.ceil(settings.n_validation / size)
    # Far apart, so that no two share specimens.
    return [stream.batch(number * 1_000) for number in range(n_batches)]
