"""The one description of retrieve, segment, measure and link that every front end runs.

A `Pipeline` is plain data: the same object comes from a form, from the command line or
from a YAML file, and is stored with every result. What depends on the recording (the
default engine of its modality) stays open until `complete` states it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_qpm.acquisition import Acquisition, Instrument, Modality
from napari_qpm.errors import ParameterError, QPMError, UnknownNameError
from napari_qpm.measurement import LinkingParameters, MeasurementParameters
from napari_qpm.registry import Registry
from napari_qpm.retrieval.engines import PHASE_ENGINES, default_engine
from napari_qpm.segmentation import SEGMENTATION_ENGINES

__all__ = ["EngineStep", "Pipeline", "PipelineError"]

FORMAT_VERSION = 1
DEFAULT_SEGMENTATION = "watershed"

Value = TypeVar("Value")


class PipelineError(ParameterError):
    """A description that cannot be run; knows which of its entries is wrong.

    Parameters
    ----------
    message
        What is wrong and what to do.
    keys
        Path of the entry, for example ``("retrieve", "parameters", "background")``.
    """

    def __init__(self, message: str, keys: tuple[str, ...] = ()):
        super().__init__(message)
        self.keys = keys


class EngineStep(BaseModel):
    """One engine and what is set of its parameters; the rest keeps its default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str | None = Field(
        None,
        title="Engine",
        description="Name of the engine; empty takes the default.",
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        title="Parameters",
        description="Values that differ from the engine's defaults.",
    )

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, values: Any) -> Any:
        return {"engine": values} if isinstance(values, str) else values


class Pipeline(BaseModel):
    """What is done to a recording; frozen, and the same wherever it runs.

    Raises
    ------
    PipelineError
        An engine, a parameter or a value is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(
        FORMAT_VERSION,
        title="Format version",
        description="Version of this description's layout.",
    )
    modality: Modality | None = Field(
        None,
        title="Kind of recording",
        description="Overrides what was detected; empty keeps it.",
    )
    instrument: dict[str, Any] = Field(
        default_factory=dict,
        title="Instrument",
        description="Facts that override or complete what the file states.",
    )
    retrieve: EngineStep = Field(
        default_factory=EngineStep,
        title="Retrieve",
        description="How frames become phase; no engine: the modality's default.",
    )
    stabilise: bool = Field(
        True,
        title="Stabilise series",
        description="Keep all frames at one 2 pi level without drift.",
    )
    segment: EngineStep | None = Field(
        default_factory=lambda: EngineStep(engine=DEFAULT_SEGMENTATION),
        title="Segment",
        description="How cells are outlined; null leaves this out.",
    )
    measure: dict[str, Any] | None = Field(
        default_factory=dict,
        title="Measure",
        description="Parameters of the table of cells; null leaves this out.",
    )
    link: dict[str, Any] | None = Field(
        None,
        title="Link",
        description="Parameters for following cells over time; null leaves this out.",
    )

    @model_validator(mode="before")
    @classmethod
    def _measure_needs_cells(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("segment", cls) is None:
            return {"measure": None, **values}
        return values

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 1 <= self.version <= FORMAT_VERSION:
            raise PipelineError(
                f"Pipeline version {self.version} is not known; this napari-qpm reads "
                f"versions up to {FORMAT_VERSION}. Install a newer napari-qpm.",
                ("version",),
            )
        if self.segment is None and self.measure is not None:
            raise PipelineError(
                "There is nothing to measure without segmentation: name a "
                "segmentation engine, or set measure to null.",
                ("measure",),
            )
        if self.measure is None and self.link is not None:
            raise PipelineError(
                "There is nothing to link without measurement: add measure, or set "
                "link to null.",
                ("link",),
            )
        _located(("instrument",), self.instrument, Instrument.from_dict)
        fitting = PHASE_ENGINES.for_modality(self.modality or "")
        engine = self.retrieve.engine or (fitting[0].name if self.modality else None)
        if engine is not None:
            _complete_step("retrieve", self.retrieve, PHASE_ENGINES, engine)
        if self.segment is not None:
            _complete_step("segment", self.segment, SEGMENTATION_ENGINES)
        if self.measure is not None:
            _located(("measure",), self.measure, MeasurementParameters.parse)
        if self.link is not None:
            _located(("link",), self.link, LinkingParameters.parse)
        return self

    @classmethod
    def parse(cls, values: Any) -> Self:
        """Return the pipeline of plain `values`; every mistake is a `PipelineError`."""
        if not isinstance(values, Mapping):
            raise PipelineError(
                "A pipeline is a list of entries such as 'retrieve:' and 'segment:', "
                f"not {'nothing' if values is None else type(values).__name__}."
            )
        _check_keys(values, cls)
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            keys = tuple(str(key) for key in first["loc"])
            raise PipelineError(
                f"{'.'.join(keys)} = {first['input']!r} cannot be used: "
                f"{first['msg']}.",
                keys,
            ) from error

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the pipeline of a YAML file; errors name the file and line."""
        from napari_qpm.pipeline.yaml_file import read_located

        return read_located(Path(path), cls.parse)

    def dump(self, path: str | Path) -> Path:
        """Write this pipeline as a YAML file and return its path."""
        from napari_qpm.pipeline.yaml_file import write_values

        return write_values(Path(path), self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that `parse`, JSON and YAML take."""
        return self.model_dump(mode="json")

    def prepare(self, acquisition: Acquisition) -> Acquisition:
        """Return the acquisition with this pipeline's modality and instrument."""
        if self.modality is not None:
            acquisition = acquisition.replace(modality=self.modality)
        return acquisition.with_instrument(**self.instrument)

    def complete(self, acquisition: Acquisition) -> Self:
        """Return this pipeline with every engine and parameter stated.

        Defaults included, so that a stored result tells what made it even after a
        default has changed.
        """
        prepared = self.prepare(acquisition)
        engine = self.retrieve.engine or default_engine(prepared)
        segment = self.segment
        if segment is not None:
            segment = _complete_step("segment", segment, SEGMENTATION_ENGINES)
        measure = self.measure
        if measure is not None:
            parameters = MeasurementParameters.parse(measure)
            measure = parameters.model_dump(mode="json")
        link = self.link
        if link is not None:
            link = LinkingParameters.parse(link).model_dump(mode="json")
        return self.model_copy(
            update={
                "modality": prepared.require_modality(),
                "retrieve": _complete_step(
                    "retrieve", self.retrieve, PHASE_ENGINES, engine
                ),
                "segment": segment,
                "measure": measure,
                "link": link,
            }
        )

    def describe(self) -> str:
        """Return what this pipeline does, one line a step."""
        kind = "" if self.modality is None else f" of a {self.modality.value} recording"
        lines = [f"Retrieve the phase{kind}{_wording(self.retrieve)}"]
        if self.stabilise:
            lines.append("Stabilise the series")
        if self.segment is not None:
            lines.append(f"Segment cells{_wording(self.segment)}")
        if self.measure is not None:
            lines.append(
                f"Measure cells{_wording(EngineStep(parameters=self.measure))}"
            )
        if self.link is not None:
            following = _wording(EngineStep(parameters=self.link))
            lines.append(f"Link cells over time{following}")
        return "\n".join(lines)


def _complete_step(
    key: str,
    step: EngineStep,
    registry: Registry,
    default: str = DEFAULT_SEGMENTATION,
) -> EngineStep:
    """Return the step with its engine named and all its parameters stated."""
    name = step.engine or default
    entry = _located((key, "engine"), name, registry.__getitem__)
    parse = entry.load().Parameters.parse
    parameters = _located((key, "parameters"), step.parameters, parse)
    return EngineStep(engine=entry.name, parameters=parameters.model_dump(mode="json"))


def _located(keys: tuple[str, ...], value: Any, parse: Callable[[Any], Value]) -> Value:
    """Return ``parse(value)``; its errors learn which entry they are about."""
    try:
        return parse(value)
    except PipelineError:
        raise
    except QPMError as error:
        entries = value if isinstance(value, dict) else {}
        last = tuple(str(key) for key in entries if str(key) in str(error))[:1]
        if isinstance(error.__cause__, ValidationError):
            last = tuple(str(part) for part in error.__cause__.errors()[0]["loc"])
        raise PipelineError(f"{'.'.join(keys)}: {error}", keys + last) from error


def _check_keys(values: Mapping[Any, Any], model: type[BaseModel]) -> None:
    """Raise for unknown keys with the closest known one, steps included."""
    for key, value in values.items():
        if key not in model.model_fields:
            unknown = UnknownNameError("entry", str(key), model.model_fields)
            raise PipelineError(f"In the pipeline: {unknown}", (str(key),))
        if key in ("retrieve", "segment") and isinstance(value, Mapping):
            for inner in value:
                if inner not in EngineStep.model_fields:
                    unknown = UnknownNameError(
                        "entry", str(inner), EngineStep.model_fields
                    )
                    raise PipelineError(f"{key}: {unknown}", (key, str(inner)))


def _wording(step: EngineStep) -> str:
    engine = f" with {step.engine}" if step.engine else ""
    set_values = ", ".join(f"{key} = {value}" for key, value in step.parameters.items())
    return f"{engine} ({set_values})" if set_values else engine
