"""Pipelines as YAML files, with errors that name the file and the line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml

from napari_qpm.errors import FileFormatError, ParameterError
from napari_qpm.files import write_atomically
from napari_qpm.pipeline.description import PipelineError

__all__ = ["read_located", "write_values"]

Parsed = TypeVar("Parsed")


def read_located(path: Path, parse: Callable[[Any], Parsed]) -> Parsed:
    """Return ``parse(values)`` of a YAML file.

    Raises
    ------
    FileFormatError
        The file is absent or cannot be read as text.
    ParameterError
        It is no YAML, or `parse` refuses it; the message names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(
            f"The pipeline file {path} cannot be read: {_reason(error)}."
        ) from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = {} if node is None else _lines(node)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f", line {mark.line + 1}"
        raise ParameterError(
            f"{path}{line}: this is not valid YAML ({error.problem})."
        ) from error
    except yaml.YAMLError as error:
        raise ParameterError(f"{path}: this is not valid YAML ({error}).") from error
    except PipelineError as error:
        raise ParameterError(f"{path}, {error}") from error
    try:
        return parse(values)
    except PipelineError as error:
        number = _line_of(error.keys, lines)
        place = "" if number is None else f", line {number}"
        raise ParameterError(f"{path}{place}: {error}") from error


def write_values(path: Path, values: dict[str, Any]) -> Path:
    """Write plain values as YAML and return the path."""
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    return write_atomically(path, text.encode())


def _lines(node: yaml.Node, keys: tuple[str, ...] = ()) -> dict[tuple[str, ...], int]:
    """Return the 1-based line of every key; a key given twice raises."""
    found: dict[tuple[str, ...], int] = {}
    if not isinstance(node, yaml.MappingNode):
        return found
    for key_node, value_node in node.value:
        path = (*keys, str(key_node.value))
        line = key_node.start_mark.line + 1
        if path in found:
            raise PipelineError(
                f"line {line}: {'.'.join(path)} is given twice "
                f"(first in line {found[path]}). Keep one of them."
            )
        found[path] = line
        found.update(_lines(value_node, path))
    return found


def _line_of(keys: tuple[str, ...], lines: dict[tuple[str, ...], int]) -> int | None:
    """Return the line of the entry, or of the closest entry around it."""
    while keys:
        if keys in lines:
            return lines[keys]
        keys = keys[:-1]
    return None


def _reason(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not text"
    return error.strerror or str(error)
