"""A pipeline as a short Python script that does the same by public functions."""

from pathlib import Path
from typing import Any

from napari_qpm.pipeline.description import DEFAULT_SEGMENTATION, Pipeline

__all__ = ["to_python"]


def to_python(pipeline: Pipeline, path: str | Path, output: str = "result") -> str:
    """Return a script that opens `path` and does what the pipeline does.

    Parameters
    ----------
    pipeline
        What to do.
    path
        Recording to open.
    output
        Folder for the result.
    """
    plain = pipeline.to_dict()
    opening = _set(modality=plain["modality"]) | plain["instrument"]
    retrieving = _set(engine=plain["retrieve"]["engine"])
    retrieving |= plain["retrieve"]["parameters"]
    lines = ["import napari_qpm as qpm"]
    if pipeline.stabilise:
        lines.append("from napari_qpm.retrieval import stabilise")
    lines += [
        "",
        f"recording = qpm.open({str(path)!r}{_keywords(opening)})",
        f"phase = qpm.retrieve(recording{_keywords(retrieving)})",
    ]
    saved = ["phase"]
    if pipeline.stabilise:
        lines.append("phase = stabilise(phase)")
    if plain["segment"] is not None:
        engine = plain["segment"]["engine"] or DEFAULT_SEGMENTATION
        segmenting = {"engine": engine} | plain["segment"]["parameters"]
        lines.append(f"labels = qpm.segment(phase{_keywords(segmenting)})")
        saved.append("labels")
    if plain["measure"] is not None:
        measuring = _keywords(plain["measure"])
        lines.append(f"table = qpm.measure(phase, labels{measuring})")
        saved.append("table")
    if plain["link"] is not None:
        lines.append(f"table = qpm.link(table, labels{_keywords(plain['link'])})")
    lines.append(f"qpm.save({output!r}, {', '.join(saved)})")
    return "\n".join(lines) + "\n"


def _set(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _keywords(values: dict[str, Any]) -> str:
    return "".join(f", {name}={value!r}" for name, value in values.items())
