"""Reference pages, written from docstrings, commands and parameter models.

``docs/conf.py`` calls this at every build; ``python docs/make_reference.py FOLDER``
writes the pages to look at them. They are not committed.
"""

import importlib
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from typer.cli import app as typer_app
from typer.testing import CliRunner

import napari_qpm
from napari_qpm.cli import app
from napari_qpm.measurement import LinkingParameters, MeasurementParameters
from napari_qpm.parameters import Parameters
from napari_qpm.registry import Registry
from napari_qpm.retrieval import PHASE_ENGINES
from napari_qpm.segmentation import SEGMENTATION_ENGINES

ROOMS = (
    "acquisition",
    "io",
    "retrieval",
    "segmentation",
    "measurement",
    "pipeline",
    "checks",
    "calibration",
    "adaptation",
    "runtime",
    "training",
    "evaluation",
    "specimens",
    "physics",
    "networks",
    "jobs",
    "parameters",
    "registry",
    "provenance",
    "errors",
)
"""Rooms whose public names are listed, in the order of the data."""
OPTION = re.compile(r"(?<=\s)(--[a-z-]+)")
"""An option in a sentence."""
WHERE_SET = (
    "The same models make the forms in napari (*Advanced*), the options of the command",
    "line (`--set name=value`), the entries of a pipeline file and the keywords in",
    "Python. `napari-qpm engines` lists them, too.",
)


def write_reference(folder: Path) -> None:
    """Write all pages into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {name: room_page(name) for name in ROOMS}
    pages |= {"python": top_page(), "command-line": command_line_page()}
    pages["engine-parameters"] = engine_parameters_page()
    for name, text in pages.items():
        path = folder / f"{name}.md"
        # An unchanged file keeps its date, so that Sphinx does not read it again.
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


# --- Python ------------------------------------------------------------------------


def top_page() -> str:
    """Return the page of the names that ``import napari_qpm`` gives."""
    lines = [
        "# Python",
        "",
        "`import napari_qpm as qpm` gives these names; the rooms are listed below.",
        "",
        *directives("napari_qpm", napari_qpm.__all__),
        "## Rooms",
        "",
        "```{toctree}",
        *ROOMS,
        "```",
    ]
    return "\n".join(lines) + "\n"


def room_page(name: str) -> str:
    """Return the page of one room."""
    module = importlib.import_module(f"napari_qpm.{name}")
    top = {id(getattr(napari_qpm, one)): one for one in napari_qpm.__all__}
    shared = [one for one in module.__all__ if id(getattr(module, one)) in top]
    lines = [f"# {name}", "", f"`napari_qpm.{name}`", ""]
    lines += ["```{eval-rst}", (module.__doc__ or "").strip(), ""]
    if shared:
        names = [top[id(getattr(module, one))] for one in shared]
        links = ", ".join(f":py:obj:`napari_qpm.{one}`" for one in names)
        lines += [f"What users call by the package: {links}.", ""]
    lines += ["```", ""]
    lines += directives(
        f"napari_qpm.{name}", [one for one in module.__all__ if one not in shared]
    )
    return "\n".join(lines)


def directives(module: str, names: Iterable[str]) -> list[str]:
    """Return what makes Sphinx document these names."""
    home = importlib.import_module(module)
    lines = ["```{eval-rst}", f".. py:currentmodule:: {module}", ""]
    for name in names:
        one = getattr(home, name)
        if isinstance(one, type) and issubclass(one, Parameters):
            lines += [f".. autoclass:: {module}.{name}()", "   :show-inheritance:", ""]
        elif isinstance(one, type):
            lines += [f".. autoclass:: {module}.{name}", "   :members:", ""]
        elif callable(one):
            lines += [f".. autofunction:: {module}.{name}", ""]
        else:
            # Not autodata: it would show the docstring of the type of the value.
            lines += [f".. py:data:: {module}.{name}", ""]
    return [*lines, "```", ""]


# --- Command line ------------------------------------------------------------------


def command_line_page() -> str:
    """Return typer's description of our commands, with the options of training."""
    text = printed(typer_app, "napari_qpm.cli", "utils", "docs", "--name", "napari-qpm")
    text = re.sub(r"^\* `--(install|show)-completion.*\n", "", text, flags=re.MULTILINE)
    # The lists of commands cut sentences short; the sections have them whole.
    sections = re.findall(r"^#+ `napari-qpm ([^`]+)`\n\n(.+)$", text, re.MULTILINE)
    told, group, lines = dict(sections), "", []
    for line in text.splitlines():
        if heading := re.match(r"#+ `napari-qpm ([^`]+)`", line):
            group = f"{heading[1]} "
        if entry := re.match(r"\* `([a-z-]+)`: .*\.\.\.$", line):
            line = f"* `{entry[1]}`: {told[group + entry[1]]}"
        names, mark, prose = line.rpartition("`: ")
        lines.append(names + mark + OPTION.sub(r"`\1`", prose))
    text = "\n".join(lines)
    text = text.replace("# `napari-qpm`\n", "# Command line\n", 1)
    training = printed(app, "train", "--help").strip()
    return f"{text}\n## Options of training\n\n```text\n{training}\n```\n"


def printed(application: Any, *arguments: str) -> str:
    """Return what a command prints."""
    done = CliRunner().invoke(application, arguments, prog_name="napari-qpm")
    if done.exit_code:
        raise RuntimeError(f"{arguments} failed: {done.output}")
    return done.stdout


# --- Parameters --------------------------------------------------------------------


def engine_parameters_page() -> str:
    """Return the tables of everything that can be set."""
    lines = [
        "# Engines and their parameters",
        "",
        *WHERE_SET,
        "",
    ]
    for title, registry in (
        ("Phase", PHASE_ENGINES),
        ("Cells", SEGMENTATION_ENGINES),
    ):
        lines += [f"## {title}", "", *engines(registry)]
    lines += ["## Measurement", "", *table(MeasurementParameters)]
    lines += [
        "## Following cells over time",
        "",
        "`--set-link name=value` on the command line, `link:` in a pipeline file.",
        "",
        *table(LinkingParameters),
    ]
    return "\n".join(lines)


def engines(registry: Registry) -> list[str]:
    """Return a section for each engine, default first."""
    lines = []
    for entry in registry:
        kind = f" For {entry.modality} recordings." if entry.modality else ""
        lines += [f"### {entry.title} (`{entry.name}`)", "", entry.summary + kind, ""]
        lines += table(entry.load().Parameters)
    return lines


def table(model: type[Parameters]) -> list[str]:
    """Return a table of the fields of a model."""
    schema = model.model_json_schema()
    if not model.model_fields:
        return ["Nothing to set.", ""]
    lines = ["| name | default | may be | what it does |", "|---|---|---|---|"]
    for name, info in model.model_fields.items():
        default = in_words(info.get_default(call_default_factory=True))
        allowed = bounds(schema, schema["properties"][name])
        about = f"{info.title}. {info.description}" if info.title else info.description
        lines.append(f"| `{name}` | {default} | {allowed} | {about} |")
    return [*lines, ""]


def in_words(value: Any) -> str:
    """Return a default as a reader writes it."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def bounds(schema: dict[str, Any], field: dict[str, Any]) -> str:
    """Return in words which values a field takes."""
    kinds = field.get("anyOf", [field])
    words = []
    for kind in kinds:
        reference = kind.get("$ref", "").rpartition("/")[2]
        kind = schema.get("$defs", {}).get(reference, kind)
        if values := kind.get("enum"):
            words.append(", ".join(f"`{value}`" for value in values))
        elif kind.get("type") == "null":
            continue
        elif kind.get("type") == "boolean":
            words.append("`true`, `false`")
        elif kind.get("type") == "array":
            n = kind.get("minItems")
            words.append(f"{n} numbers" if n else "a list")
        else:
            words.append(number_in_words(kind))
    return " or ".join(words)


def number_in_words(kind: dict[str, Any]) -> str:
    """Return the bounds of a number."""
    low = kind.get("minimum", kind.get("exclusiveMinimum"))
    high = kind.get("maximum", kind.get("exclusiveMaximum"))
    name = {"integer": "whole number", "string": "text"}.get(kind.get("type", ""))
    told = name or "number"
    above = "above" if "exclusiveMinimum" in kind else "from"
    below = "below" if "exclusiveMaximum" in kind else "to"
    told += f" {above} {low}" if low is not None else ""
    return told + (f" {below} {high}" if high is not None else "")


if __name__ == "__main__":
    write_reference(Path(sys.argv[1]))
