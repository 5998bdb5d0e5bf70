"""First draft of the one-page card beside a model's weights."""

from collections.abc import Mapping
from typing import Any

from napari_qpm.runtime.spec import ModelSpec

__all__ = ["model_card"]


DETAILS = ("config", "versions")
"""Of the training, too long for a page; model.json has them."""


def model_card(spec: ModelSpec, n_parameters: int) -> str:
    """Return the card as Markdown, from what the spec says."""
    facts = {
        "gives": spec.kind,
        "kind of recording": spec.modality or "any",
        "architecture": f"{spec.architecture}, {n_parameters:,} parameters",
        "input": spec.preprocessing.get("input", "as recorded"),
        "adapted from": spec.base,
        "licence": spec.licence,
        "made": spec.created,
    }
    parts = [
        f"# {spec.title}",
        _table({key: value for key, value in facts.items() if value}),
        "## Trained for",
        _table(spec.valid),
        "## Training",
        _table({k: v for k, v in spec.training.items() if k not in DETAILS}),
        "## Scores",
        _table(spec.metrics),
        f"Weights: sha256 `{spec.sha256}`.",
    ]
    return "\n\n".join(parts) + "\n"


def _table(values: Mapping[str, Any]) -> str:
    if not values:
        return "Not stated."
    rows = [f"| {key} | {_text(value)} |" for key, value in _flat(values).items()]
    return "\n".join(["| | |", "|---|---|", *rows])


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values under names that are joined by a space."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key} ")
        elif value is not None:
            flat[f"{prefix}{key}"] = value
    return flat


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return " to ".join(map(_text, value)) if len(value) == 2 else str(list(value))
    return str(value).replace("|", "\\|")
