"""Base of every engine's parameters: one model makes form, CLI options and YAML."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_qpm.errors import ParameterError, UnknownNameError

__all__ = ["Parameters"]


class Parameters(BaseModel):
    """Frozen parameters; each field has a title, a description and bounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def choices(cls, name: str) -> list[tuple[str, str]] | None:
        """Return ``(value, title)`` of what a text parameter can be now.

        `None` where anything goes, or the type itself lists the values.
        """
        return None

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Return parameters from `values`; strings are converted, errors are plain.

        Raises
        ------
        UnknownNameError
            A key is not a parameter of this model.
        ParameterError
            A value has the wrong type or is out of bounds.
        """
        for key in values:
            if key not in cls.model_fields:
                raise UnknownNameError("parameter", key, cls.model_fields)
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, e['loc']))} = {e['input']!r}: {e['msg']}"
                for e in error.errors()
            )
            raise ParameterError(f"Cannot use these parameters: {problems}.") from error
