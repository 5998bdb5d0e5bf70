"""Networks that find cells on the held-out set: rows, scores, cost and latency."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_qpm.errors import UnknownNameError
from napari_qpm.evaluation.baselines import read_baselines
from napari_qpm.evaluation.cell_methods import (
    CellMethod,
    OtsuMethod,
    SegmentationMethod,
    cell_scores,
)
from napari_qpm.evaluation.cell_set import (
    N_FIELDS,
    SEED,
    SHAPE,
    CellField,
    make_field,
    real_fields,
)
from napari_qpm.evaluation.latency import LATENCY_SHAPE, time_call
from napari_qpm.evaluation.network_cost import COST_SHAPE, count_cost
from napari_qpm.evaluation.phase_evaluation import MODEL_ROW, describe_training
from napari_qpm.evaluation.rows import NOT_RUN, Evaluation, Row
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.runtime import Model
from napari_qpm.segmentation.cell_models import channels_of
from napari_qpm.training.cell_maps import A2780_FOLDER
from napari_qpm.training.provenance import git_revision

__all__ = ["DATA_VARIABLE", "CellEvaluator"]

STORED = Path(__file__).with_name("cell_baselines.json")
DATA_VARIABLE = "QPM_SHARED_DATA"
"""Environment variable with the folder of public recordings."""
REAL = "a2780-"
PHASE_MODEL = "dm-qpmnet-phase"
HELD_OUT_TEXT = (
    "{n} simulated fields of cells, {y} x {x} px, seed {seed}: raw mosaics of a "
    "polarization camera with faults that no training draws, phase retrieved by four "
    "steps (not the HeLa recordings of the publication)"
)


@dataclass(frozen=True)
class _Candidate:
    """A row that can be run."""

    key: str
    name: str
    method: CellMethod | None
    source: str


class CellEvaluator:
    """Runs the rows of one model.

    Parameters
    ----------
    name, model
        That is evaluated; without the model its row says that it was not run.
    token, report
        Cancel and progress.
    with_latency
        Whether to time 1024 x 1024, too.
    """

    def __init__(
        self,
        name: str,
        model: Model | None,
        token: CancelToken,
        report: ReportProgress,
        *,
        with_latency: bool = True,
    ):
        self.name, self.model = name, model
        self.token, self.report = token, report
        self.with_latency = with_latency
        self.baselines = read_baselines(STORED)

    def run(self, limit: int | None, rows: Sequence[str] | None) -> Evaluation:
        """Return the rows of the first fields of the set."""
        fields = self._fields(min(limit or N_FIELDS, N_FIELDS))
        real = real_fields(_data_folder(), has_angles=not self._sees_phase_only)
        candidates = self._candidates()
        on_real = [self._on_real(one, len(real)) for one in candidates]
        own = (self.name, f"{REAL}{self.name}")
        stored = {one.key: one for one in self.baselines if one.key not in own}
        keys = [*(one.key for one in (*candidates, *on_real)), *stored]
        for key in rows or ():
            if key not in keys:
                raise UnknownNameError("row", key, keys)
        wanted = {MODEL_ROW, *(keys if rows is None else rows)}
        found = [self._run(one, fields) for one in candidates if one.key in wanted]
        found += [self._run(one, real) for one in on_real if one.key in wanted]
        found += [one.row(SEED) for key, one in stored.items() if key in wanted]
        y, x = SHAPE
        return Evaluation(
            model=self.name,
            data=HELD_OUT_TEXT.format(n=len(fields), y=y, x=x, seed=SEED),
            seed=SEED,
            rows=tuple(self._with_cost(row) for row in found),
            facts=self._facts(fields, real, found),
        )

    @property
    def _sees_phase_only(self) -> bool:
        if self.model is None:
            return self.name == PHASE_MODEL
        return channels_of(self.model.spec) == ("phase",)

    def _candidates(self) -> list[_Candidate]:
        own: CellMethod | None = None
        title, source = self.name, f"{NOT_RUN}: no such model is installed"
        if self.model is not None:
            spec = self.model.spec
            engine = PHASE_MODEL if self._sees_phase_only else "dm-qpmnet"
            own = SegmentationMethod(engine, {"model": spec.name})
            title = spec.title
            source = (
                f"this run, weights {spec.sha256[:12]}; trained by "
                f"{describe_training(spec.training)}"
            )
        return [
            _Candidate(MODEL_ROW, title, own, source),
            _Candidate(
                "watershed",
                "Threshold and watershed",
                SegmentationMethod("watershed"),
                "this run, default parameters",
            ),
            _Candidate("otsu", "Otsu's threshold", OtsuMethod(), "this run"),
        ]

    def _on_real(self, one: _Candidate, n: int) -> _Candidate:
        """Return the same method for the measured images."""
        key, name = f"{REAL}{one.key}", f"{one.name}, real A2780 cells"
        if not self._sees_phase_only:
            # The images are phase; only a simulated camera makes angles of them.
            name += " recorded anew"
        if not n:
            reason = f"{NOT_RUN}: set {DATA_VARIABLE} to where {A2780_FOLDER} lies"
            return _Candidate(key, name, None, reason)
        return dataclasses.replace(one, key=key, name=name)

    def _fields(self, n: int) -> list[CellField]:
        fields = []
        for number in range(n):
            self.token.raise_if_cancelled()
            fields.append(make_field(number))
            self.report(Progress(number + 1, n, "fields", "Simulating recordings"))
        return fields

    def _run(self, one: _Candidate, fields: list[CellField]) -> Row:
        if one.method is None:
            return Row(key=one.key, method=one.name, source=one.source)
        answers = []
        for done, field in enumerate(fields, start=1):
            self.token.raise_if_cancelled()
            answers.append(one.method(field, self.token))
            self.report(Progress(done, len(fields), "fields", one.name))
        truths = [field.labels for field in fields]
        row = Row(
            key=one.key,
            method=one.name,
            metrics=cell_scores(answers, truths),
            groups={
                kind: cell_scores(
                    [a for a, f in zip(answers, fields, strict=True) if f.kind == kind],
                    [f.labels for f in fields if f.kind == kind],
                )
                for kind in dict.fromkeys(field.kind for field in fields)
            },
            n=len(fields),
            source=one.source,
        )
        if not self.with_latency or one.key.startswith(REAL):
            return row
        self.report(Progress(0, 1, "rows", f"Timing 1024 x 1024: {one.name}"))
        call = _timed(one.method, self.token)
        return dataclasses.replace(row, latency_ms=time_call(call, self.token))

    def _with_cost(self, row: Row) -> Row:
        if self.model is None or row.key != MODEL_ROW:
            return row
        spec = self.model.spec
        side = spec.tile_px or COST_SHAPE[0]
        cost = count_cost(spec.architecture, spec.config, (side, side))
        n_tiles = (COST_SHAPE[0] / side) ** 2
        return dataclasses.replace(
            row, params=cost.params, macs=int(cost.macs * n_tiles)
        )

    def _facts(
        self, fields: list[CellField], real: list[CellField], rows: list[Row]
    ) -> dict[str, Any]:
        covered = [float((field.labels > 0).mean()) for field in fields]
        facts: dict[str, Any] = {
            "set": {
                "n": len(fields),
                "shape": list(SHAPE),
                "cells": int(sum(field.labels.max() for field in fields)),
                "mean_cover": round(float(np.mean(covered)), 3),
                "real": [field.name for field in real],
            },
            "revision": git_revision(),
            "remarks": _remarks(rows),
        }
        if self.model is not None:
            spec = self.model.spec
            facts["weights"] = {"sha256": spec.sha256, "training": dict(spec.training)}
        return facts


def _timed(method: CellMethod, token: CancelToken) -> Callable[[], object]:
    field = make_field(1, LATENCY_SHAPE)
    return lambda: method(field, token)


def _data_folder() -> Path | None:
    given = os.environ.get(DATA_VARIABLE)
    return Path(given) / A2780_FOLDER if given else None


def _remarks(rows: list[Row]) -> list[str]:
    """Return in words where a classical method is the better one."""
    by_key = {row.key: row for row in rows}
    remarks = []
    for prefix, where in (("", "the simulated set"), (REAL, "real A2780 cells")):
        model = by_key.get(prefix + MODEL_ROW)
        for key in ("watershed", "otsu"):
            other = by_key.get(prefix + key)
            if model is None or other is None or not (model.was_run and other.was_run):
                continue
            for score, title in (("dice", "Dice"), ("ap50", "AP@0.5")):
                gain = model.metrics[score] - other.metrics[score]
                word = "above" if gain >= 0 else "below"
                remarks.append(
                    f"On {where} its {title} is {abs(gain):.3f} {word} that of "
                    f"{other.method.partition(',')[0]}."
                )
    return remarks
