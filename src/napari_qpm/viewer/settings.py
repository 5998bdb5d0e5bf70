"""What the forms say: an engine and parameters for each step, and the Pipeline of it.

Viewer and command line run the same `Pipeline`; this module is where the one becomes
the other.
"""

import contextlib
from collections.abc import Mapping
from enum import StrEnum
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from napari_qpm.acquisition import Modality
from napari_qpm.errors import QPMError
from napari_qpm.parameters import Parameters
from napari_qpm.registry import Entry

if TYPE_CHECKING:
    from napari_qpm.runtime import ModelSpec

__all__ = ["Settings", "StepName"]


class StepName(StrEnum):
    """The three things that are done to a recording."""

    RETRIEVE = "retrieve"
    """Raw frames to phase."""
    SEGMENT = "segment"
    """Phase to outlined cells."""
    MEASURE = "measure"
    """Phase and cells to a table."""


class Settings:
    """Chosen engines and set parameters, remembered for each kind of recording."""

    def __init__(self) -> None:
        self._engines: dict[tuple[StepName, str], str] = {}
        self._values: dict[tuple[StepName, str], dict[str, Any]] = {}
        self.link_values: dict[str, Any] = {}
        self.preferred: dict[str, Any] = {}
        """Values that the user prefers over the defaults of any engine that has them,
        such as ``device``."""

    def engines(self, step: StepName, modality: Modality | None) -> list[Entry]:
        """Return the engines that fit a kind of recording, default first.

        Networks are offered once a model for them is installed, packages of others
        likewise, and what cannot run without a parameter once that is set.
        """
        from napari_qpm.retrieval import PHASE_ENGINES
        from napari_qpm.segmentation import SEGMENTATION_ENGINES

        if step is StepName.MEASURE:
            return []
        if step is StepName.SEGMENT:
            fitting = SEGMENTATION_ENGINES.for_modality(modality or "")
        else:
            fitting = [] if modality is None else PHASE_ENGINES.for_modality(modality)
        return [entry for entry in fitting if self._is_ready(step, entry)]

    def engine(self, step: StepName, modality: Modality | None) -> str | None:
        """Return the name of the chosen engine, by default the first that fits."""
        entry = self._entry(step, modality)
        return None if entry is None else entry.name

    def choose(self, step: StepName, modality: Modality | None, engine: str) -> None:
        """Use this engine for this kind of recording from now on."""
        self._engines[step, modality or ""] = engine

    def model(
        self, step: StepName, modality: Modality | None
    ) -> type[Parameters] | None:
        """Return the parameters model of the chosen engine."""
        return _model_of(step, self._entry(step, modality))

    def values(self, step: StepName, modality: Modality | None) -> dict[str, Any]:
        """Return what differs from the defaults of the chosen engine."""
        entry = self._entry(step, modality)
        model = _model_of(step, entry)
        chosen = self._values.get(_key(step, entry), {})
        return {**({} if model is None else self._preferred_of(model)), **chosen}

    def set_values(
        self, step: StepName, modality: Modality | None, values: Mapping[str, Any]
    ) -> None:
        """Set parameters of the chosen engine; those at their default are left out.

        Raises
        ------
        UnknownNameError, ParameterError
            A parameter is unknown, or a value is out of bounds.
        """
        entry = self._entry(step, modality)
        model = _model_of(step, entry)
        if model is None:
            return
        set_values = model.parse(values).model_dump(mode="json")
        preferred = self._preferred_of(model)
        defaults = model.parse(preferred).model_dump(mode="json")
        self._values[_key(step, entry)] = {
            key: value for key, value in set_values.items() if value != defaults[key]
        }

    def _preferred_of(self, model: type[Parameters]) -> dict[str, Any]:
        """Return preferred values that a model has, unless they are its defaults."""
        defaults = model.parse({}).model_dump(mode="json")
        return {
            key: value
            for key, value in self.preferred.items()
            if key in defaults and value != defaults[key]
        }

    def change_engine(self, step: StepName, engine: str, **values: Any) -> None:
        """Change some parameters of an engine, chosen or not."""
        key = (step, engine)
        self._values[key] = {**self._values.get(key, {}), **values}

    def set_link_values(self, values: Mapping[str, Any]) -> None:
        """Set how cells are followed over time; defaults are left out.

        Raises
        ------
        UnknownNameError, ParameterError
            A parameter is unknown, or a value is out of bounds.
        """
        from napari_qpm.measurement import LinkingParameters

        chosen = LinkingParameters.parse(values).model_dump(mode="json")
        defaults = LinkingParameters().model_dump(mode="json")
        self.link_values = {
            key: value for key, value in chosen.items() if value != defaults[key]
        }

    def chosen_model(
        self, step: StepName, modality: Modality | None
    ) -> "ModelSpec | None":
        """Return the trained model that the chosen engine would run, if it has one."""
        entry = self._entry(step, modality)
        model = _model_of(step, entry)
        if entry is None or model is None or model.choices("model") is None:
            return None
        from napari_qpm.runtime import ModelStore

        default = model.model_fields["model"].default
        name = self.values(step, modality).get("model", default)
        try:
            return ModelStore().model(name).spec
        except QPMError:
            return None

    def to_dict(self) -> dict[str, Any]:
        """Return what was chosen as plain values."""
        engines: dict[str, dict[str, str]] = {}
        for (step, kind), engine in self._engines.items():
            engines.setdefault(step.value, {})[kind] = engine
        values: dict[str, dict[str, Any]] = {}
        for (step, engine), chosen in self._values.items():
            values.setdefault(step.value, {})[engine] = chosen
        return {"engines": engines, "values": values, "linking": self.link_values}

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Take over what `to_dict` gave; what is not possible any more is left out."""
        for step in StepName:
            for kind, engine in _items(stored, "engines", step):
                self._engines[step, kind] = str(engine)
            for engine, chosen in _items(stored, "values", step):
                with contextlib.suppress(QPMError, TypeError):
                    model = _model_of(step, _entry_named(step, engine))
                    if model is not None:
                        model.parse(chosen)
                        self._values[step, engine] = dict(chosen)
        linking = dict(_items(stored, "linking"))
        with contextlib.suppress(QPMError, TypeError):
            self.set_link_values(linking)

    def pipeline(
        self,
        modality: Modality | None,
        instrument: Mapping[str, Any] | None = None,
        *,
        is_series: bool = False,
    ) -> Any:
        """Return the Pipeline that does what the forms say.

        Parameters
        ----------
        modality
            Kind of recording.
        instrument
            Facts that the user filled in for this recording.
        is_series
            Whether there is more than one frame, so that cells can be followed.
        """
        from napari_qpm.pipeline import EngineStep, Pipeline

        def engine_step(step: StepName) -> EngineStep:
            return EngineStep(
                engine=self.engine(step, modality),
                parameters=self.values(step, modality),
            )

        return Pipeline(
            modality=modality,
            instrument=dict(instrument or {}),
            retrieve=engine_step(StepName.RETRIEVE),
            segment=engine_step(StepName.SEGMENT),
            measure=self.values(StepName.MEASURE, modality),
            link=dict(self.link_values) if is_series else None,
        )

    def _entry(self, step: StepName, modality: Modality | None) -> Entry | None:
        """Return the chosen engine, by default the first that fits."""
        entries = self.engines(step, modality)
        chosen = self._engines.get((step, modality or ""))
        default = entries[0] if entries else None
        return next((entry for entry in entries if entry.name == chosen), default)

    def _is_ready(self, step: StepName, entry: Entry) -> bool:
        """Return whether an engine has what it runs on."""
        if entry.package and find_spec(entry.package) is None:
            return False
        if entry.required:
            return bool(self._values.get((step, entry.name), {}).get(entry.required))
        return not entry.is_learned or bool(entry.load().Parameters.choices("model"))


def _key(step: StepName, entry: Entry | None) -> tuple[StepName, str]:
    return step, "" if entry is None else entry.name


def _entry_named(step: StepName, engine: str) -> Entry | None:
    """Return an engine of a step by name.

    Raises
    ------
    UnknownNameError
        There is none.
    """
    from napari_qpm.retrieval import PHASE_ENGINES
    from napari_qpm.segmentation import SEGMENTATION_ENGINES

    if step is StepName.MEASURE:
        return None
    engines = PHASE_ENGINES if step is StepName.RETRIEVE else SEGMENTATION_ENGINES
    return engines[engine]


def _items(stored: Any, *keys: str) -> list[tuple[str, Any]]:
    """Return the items of a mapping inside a mapping; none if it is something else."""
    for key in keys:
        stored = stored.get(key) if isinstance(stored, Mapping) else None
    return list(stored.items()) if isinstance(stored, Mapping) else []


def _model_of(step: StepName, entry: Entry | None) -> type[Parameters] | None:
    """Return the parameters model of an engine, or of the step that has none."""
    if step is StepName.MEASURE:
        from napari_qpm.measurement import MeasurementParameters

        return MeasurementParameters
    if entry is None:
        return None
    model: type[Parameters] = entry.load().Parameters
    return model
