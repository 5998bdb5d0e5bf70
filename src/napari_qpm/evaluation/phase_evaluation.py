"""Phase networks on the held-out set: the rows, their scores, cost and latency."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import UnknownNameError
from napari_qpm.evaluation.baselines import Baseline, read_baselines
from napari_qpm.evaluation.held_out import HELD_OUT
from napari_qpm.evaluation.latency import (
    latency_frame,
    time_call,
    torch_latency,
)
from napari_qpm.evaluation.network_cost import count_cost
from napari_qpm.evaluation.phase_methods import (
    EngineMethod,
    NothingMethod,
    PhaseMethod,
)
from napari_qpm.evaluation.phase_scores import phase_scores
from napari_qpm.evaluation.phase_set import (
    N_FRAMES,
    RANGE_RAD,
    SEED,
    SHAPE,
    HeldOutFrame,
    cover,
    make_frame,
)
from napari_qpm.evaluation.rows import Evaluation, Row
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.runtime import Model, session_for
from napari_qpm.training.provenance import git_revision

__all__ = ["ALONE_ROW", "MODEL_ROW", "PhaseEvaluator", "describe_training", "keepable"]

MODEL_ROW, ALONE_ROW = "model", "model-alone"
HELD_OUT_TEXT = (
    "{n} simulated holograms of cells, {y} x {x} px, seed {seed}: microscopes and "
    "carriers that no training draws, cells over 30 % of every frame, every second "
    "frame above 6 rad (not the NIH/3T3 recordings of the publication)"
)
FINE_FILTER = 0.6
CLASSICAL = {
    "classical": (
        "Fourier, background, unwrapping",
        EngineMethod("fourier", {"grid": "full"}),
        "this run, default parameters, no calibration frame",
    ),
    "classical-tuned": (
        "the same, tuned on this set",
        EngineMethod(
            "fourier",
            {
                "grid": "full",
                "filter_radius": 0.45,
                "background": "zernike",
                "background_order": 4,
            },
        ),
        (
            "this run, the best parameters that were tried on this very set: filter "
            "radius 0.45, Zernike background of order 4; no calibration frame"
        ),
    ),
    "classical-crowded": (
        "the same, with the background of crowded fields",
        EngineMethod(
            "fourier",
            {
                "grid": "full",
                "filter_radius": FINE_FILTER,
                "background": "crowded",
                "background_order": 5,
            },
        ),
        (
            "this run, filter radius 0.6, crowded background of order 5 (found on "
            "other simulated microscopes than those of this set); no calibration frame"
        ),
    ),
    "classical-calibrated": (
        "Fourier with a calibration frame",
        EngineMethod(
            "fourier",
            {"grid": "full", "filter_radius": FINE_FILTER, "background": "offset"},
            is_calibrated=True,
        ),
        "this run, with a hologram of the empty field, filter radius 0.6, level only",
    ),
}


@dataclass(frozen=True)
class _Candidate:
    """A row that can be run."""

    key: str
    name: str
    method: PhaseMethod
    source: str


class PhaseEvaluator:
    """Runs the rows of one model.

    Parameters
    ----------
    model
        That is evaluated.
    token, report
        Cancel and progress.
    with_latency
        Whether to time 1024 x 1024, too.
    """

    def __init__(
        self,
        model: Model,
        token: CancelToken,
        report: ReportProgress,
        *,
        with_latency: bool = True,
    ):
        self.model, self.token, self.report = model, token, report
        self.with_latency = with_latency
        self.baselines = read_baselines()

    def run(self, limit: int | None, rows: Sequence[str] | None) -> Evaluation:
        """Return the rows of the first frames of the set."""
        candidates = self._candidates()
        keys = [one.key for one in candidates] + [one.key for one in self.baselines]
        for key in rows or ():
            if key not in keys:
                raise UnknownNameError("row", key, keys)
        wanted = {MODEL_ROW, *(keys if rows is None else rows)}
        frames = self._frames(min(limit or N_FRAMES, N_FRAMES))
        found = [self._run(one, frames) for one in candidates if one.key in wanted]
        found += [one.row(SEED) for one in self.baselines if one.key in wanted]
        found = [self._with_cost(row) for row in found]
        if self.with_latency:
            found = self._with_latency(found)
        y, x = SHAPE
        return Evaluation(
            model=self.model.spec.name,
            data=HELD_OUT_TEXT.format(n=len(frames), y=y, x=x, seed=SEED),
            seed=SEED,
            rows=tuple(found),
            facts=self._facts(frames, found),
        )

    def _candidates(self) -> list[_Candidate]:
        spec = self.model.spec
        # The cells of the set are as large as those of training: no coarser grid.
        engine = {"model": spec.name, "scale": 1}
        session = session_for(self.model)
        source = (
            f"this run on the camera's grid, weights {spec.sha256[:12]}, "
            f"{session.device_note}"
        )
        return [
            _Candidate(
                MODEL_ROW,
                spec.title,
                EngineMethod("nas-prnet", engine),
                f"{source}, then sharpened by the frame's own fringes as the engine "
                f"does; trained by {describe_training(spec.training)}",
            ),
            _Candidate(
                "model-calibrated",
                f"{spec.title} with a calibration frame",
                EngineMethod("nas-prnet", engine, is_calibrated=True),
                f"{source}; with a hologram of the empty field",
            ),
            _Candidate(
                ALONE_ROW,
                f"{spec.title}, the network's answer alone",
                EngineMethod("nas-prnet", engine | {"sharpened": False}),
                f"{source}; without the step that reads the network's error and the "
                "background off the frame's own fringes",
            ),
            _Candidate("nothing", "answer 0 everywhere", NothingMethod(), "this run"),
            *(_Candidate(key, *values) for key, values in CLASSICAL.items()),
        ]

    def _frames(self, n: int) -> list[HeldOutFrame]:
        frames = []
        for number in range(n):
            self.token.raise_if_cancelled()
            frames.append(make_frame(number))
            self.report(Progress(number + 1, n, "frames", "Simulating holograms"))
        return frames

    def _run(self, one: _Candidate, frames: list[HeldOutFrame]) -> Row:
        answers = []
        for done, frame in enumerate(frames, start=1):
            self.token.raise_if_cancelled()
            answers.append(one.method(frame, self.token))
            self.report(Progress(done, len(frames), "frames", one.name))
        lost = sum(not np.isfinite(answer).any() for answer in answers)
        note = f"; no answer for {lost} frames, counted as 0" if lost else ""
        return Row(
            key=one.key,
            method=one.name,
            metrics=_scores(answers, frames),
            groups=_by_microscope(answers, frames),
            n=len(frames),
            source=one.source + note,
        )

    def _with_cost(self, row: Row) -> Row:
        spec = self.model.spec
        networks: dict[str, tuple[str, Mapping[str, Any]]] = {
            one.key: (one.architecture, one.config) for one in self.baselines
        }
        for key in (MODEL_ROW, "model-calibrated", ALONE_ROW):
            networks[key] = (spec.architecture, spec.config)
        if row.key not in networks:
            return row
        cost = count_cost(*networks[row.key])
        return dataclasses.replace(row, params=cost.params, macs=cost.macs)

    def _with_latency(self, rows: list[Row]) -> list[Row]:
        """Return the rows with times of one frame; all in this run."""
        frame = latency_frame()
        methods = {one.key: one.method for one in self._candidates()}
        baselines = {one.key: one for one in self.baselines}
        timed = []
        for done, row in enumerate(rows, start=1):
            whole: float | None = None
            alone: float | None = None
            method = methods.get(row.key)
            if isinstance(method, EngineMethod):
                whole = time_call(_retrieval(method, frame, self.token), self.token)
                if row.key == MODEL_ROW:
                    alone = self._network_ms(frame)
            elif row.key in baselines:
                one = baselines[row.key]
                whole, alone = torch_latency(
                    one.architecture, one.config, frame.acquisition(), self.token
                )
            timed.append(dataclasses.replace(row, latency_ms=whole, network_ms=alone))
            self.report(Progress(done, len(rows), "rows", "Timing 1024 x 1024"))
        return timed

    def _network_ms(self, frame: HeldOutFrame) -> float:
        session = session_for(self.model)
        shape = (1, self.model.spec.in_channels, *frame.phase.shape)
        inputs = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        return time_call(lambda: session.run(inputs), self.token)

    def _facts(self, frames: list[HeldOutFrame], rows: list[Row]) -> dict[str, Any]:
        peaks = [float(frame.phase.max()) for frame in frames]
        return {
            "set": {
                "n": len(frames),
                "shape": list(SHAPE),
                "range_rad": RANGE_RAD,
                "least_cover": round(min(cover(f.phase) for f in frames), 3),
                "share_above_6_rad": float(np.mean(np.array(peaks) > 6)),
                "highest_rad": round(max(peaks), 2),
                "fingerprint": _fingerprint(frames),
            },
            "weights": {
                "sha256": self.model.spec.sha256,
                "training": dict(self.model.spec.training),
            },
            "revision": git_revision(),
            "remarks": _remarks(rows),
        }


def describe_training(training: Mapping[str, Any]) -> str:
    """Return command, revision, seed and length of a training in words."""
    if not training:
        return "an unknown training"
    words = [f"napari-qpm train {training.get('recipe', '?')}"]
    if "seed" in training:
        words.append(f"seed {training['seed']}")
    for key, unit in (("steps", "steps"), ("samples", "samples"), ("minutes", "min")):
        value = training.get(key)
        if value is not None:
            form = ".1f" if isinstance(value, float) else ","
            words.append(f"{value:{form}} {unit}")
    words += [
        f"{name} {training[key]}"
        for key, name in (("device", "on"), ("revision", "revision"))
        if training.get(key)
    ]
    return ", ".join(words)


def keepable(model: Model, evaluation: Evaluation) -> tuple[Baseline, ...]:
    """Return the rows of the network as ones to store: its own, and on other data.

    Of a network for phase it is the answer alone: the step after it makes all networks
    nearly equal, so that it would hide which one learns more.
    """
    spec = model.spec
    key = spec.architecture if spec.kind == "phase" else spec.name
    own = evaluation.row(ALONE_ROW) or evaluation.rows[0]
    elsewhere = [
        _stored(
            row, row.key.removesuffix(MODEL_ROW) + key, row.method, model, evaluation
        )
        for row in evaluation.rows
        if row.key.endswith(f"-{MODEL_ROW}") and row.was_run
    ]
    return (_stored(own, key, spec.title, model, evaluation), *elsewhere)


def _stored(
    row: Row, key: str, method: str, model: Model, evaluation: Evaluation
) -> Baseline:
    """Return a row as one to store, with what made it."""
    spec = model.spec
    alone = "the network's answer alone; " if row.key == ALONE_ROW else ""
    return Baseline(
        key=key,
        method=method,
        architecture=spec.architecture,
        config=dict(spec.config),
        metrics=dict(row.metrics),
        groups={name: dict(scores) for name, scores in row.groups.items()},
        n=row.n,
        seed=evaluation.seed,
        source=f"{alone}{describe_training(spec.training)}; "
        f"evaluated at "
        f"{evaluation.facts.get('revision')}, weights {spec.sha256[:12]}",
    )


def _retrieval(
    method: EngineMethod, frame: HeldOutFrame, token: CancelToken
) -> Callable[[], object]:
    recording = frame.acquisition(is_calibrated=method.is_calibrated)
    return lambda: method.answer(recording, token)


def _scores(
    answers: list[NDArray[np.float32]], frames: list[HeldOutFrame]
) -> dict[str, float]:
    return phase_scores(answers, [frame.phase for frame in frames], RANGE_RAD)


def _by_microscope(
    answers: list[NDArray[np.float32]], frames: list[HeldOutFrame]
) -> dict[str, dict[str, float]]:
    """Return PSNR and rms of each microscope's frames."""
    groups = {}
    for instrument in HELD_OUT:
        own = [n for n, frame in enumerate(frames) if frame.instrument is instrument]
        if own:
            scores = _scores([answers[n] for n in own], [frames[n] for n in own])
            groups[instrument.name] = {
                key: scores[key] for key in ("psnr_db", "rms_rad")
            }
    return groups


def _fingerprint(frames: list[HeldOutFrame]) -> str:
    """Return a short hash of all counts: equal sets have equal ones."""
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(frame.counts.tobytes())
    return digest.hexdigest()[:16]


def _remarks(rows: list[Row]) -> list[str]:
    """Return in words where the classical path is the better one."""
    by_key = {row.key: row for row in rows}
    model, remarks = by_key[MODEL_ROW], []
    for key in CLASSICAL:
        other = by_key.get(key)
        if other is None:
            continue
        gain = model.metrics["psnr_db"] - other.metrics["psnr_db"]
        better = "above" if gain >= 0 else "below"
        remarks.append(f"{model.method} is {abs(gain):.1f} dB {better} {other.method}.")
        if model.latency_ms and other.latency_ms:
            ratio = model.latency_ms / other.latency_ms
            word = "slower" if ratio >= 1 else "faster"
            remarks.append(
                f"Per frame of 1024 x 1024 it is {max(ratio, 1 / ratio):.1f} times "
                f"{word} than {other.method}."
            )
    return remarks
