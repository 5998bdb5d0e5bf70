"""What can be chosen: engines with their parameters, options of samples."""

import dataclasses
from typing import Any

from napari_qpm.errors import ParameterError, UnknownNameError

__all__ = ["describe_engines", "engine_records", "sample_values"]


def engine_records(name: str | None = None) -> list[dict[str, Any]]:
    """Return every engine, or one, with its parameters as plain values."""
    from napari_qpm.measurement import MeasurementParameters
    from napari_qpm.retrieval.engines import PHASE_ENGINES
    from napari_qpm.segmentation import SEGMENTATION_ENGINES

    records = [
        {
            "name": entry.name,
            "kind": registry.kind,
            "title": entry.title,
            "modality": entry.modality or None,
            "summary": entry.summary,
            "parameters": _parameters(entry.load().Parameters),
        }
        for registry in (PHASE_ENGINES, SEGMENTATION_ENGINES)
        for entry in registry
        if name in (None, entry.name)
    ]
    if name in (None, "measure"):
        records.append(
            {
                "name": "measure",
                "kind": "measurement",
                "title": "Measure cells",
                "modality": None,
                "summary": "One row for each cell and frame.",
                "parameters": _parameters(MeasurementParameters),
            }
        )
    if not records:
        known = [record["name"] for record in engine_records()]
        raise UnknownNameError("engine", str(name), known)
    return records


def describe_engines(records: list[dict[str, Any]]) -> str:
    """Return engines and their parameters, one parameter a line."""
    lines = []
    for record in records:
        kind = f", {record['modality']}" if record["modality"] else ""
        lines += [
            f"{record['name']}  ({record['kind']}{kind})",
            f"  {record['summary']}",
        ]
        for name, parameter in record["parameters"].items():
            values = f" [{', '.join(parameter['values'])}]" * bool(parameter["values"])
            lines += [
                f"  --set {name}={parameter['default']}{values}",
                f"      {parameter['description']}",
            ]
        lines.append("")
    return "\n".join(lines).rstrip()


def sample_values(values: dict[str, Any]) -> dict[str, Any]:
    """Return options of a sample with texts converted to the type of the option."""
    from pydantic import TypeAdapter, ValidationError

    from napari_qpm.specimens import SampleSettings

    types = {f.name: f.type for f in dataclasses.fields(SampleSettings)}
    converted: dict[str, Any] = {}
    for name, value in values.items():
        if name not in types:
            raise UnknownNameError("sample option", name, types)
        try:
            converted[name] = TypeAdapter(types[name]).validate_python(value)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise ParameterError(f"{name} = {value!r}: {reason}.") from error
    return converted


def _parameters(model: Any) -> dict[str, dict[str, Any]]:
    schema = model.model_json_schema()
    return {
        name: {
            "default": model.model_fields[name].default,
            "values": _allowed(schema, schema["properties"][name]),
            "description": model.model_fields[name].description or "",
        }
        for name in model.model_fields
    }


def _allowed(schema: dict[str, Any], field: dict[str, Any]) -> list[str]:
    """Return the values of a parameter that is one of a few names."""
    reference = field.get("$ref", "").rpartition("/")[2]
    values = schema.get("$defs", {}).get(reference, field).get("enum", [])
    return [str(value) for value in values]
