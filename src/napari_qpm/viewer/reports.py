"""What went wrong, as a text that a user can send to somebody who can help.

It names versions, device, the kind of recording, the step and where in the code it
failed. Names and places of the user's files are left out: they can be private.
"""

import importlib.metadata
import platform
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import yaml

from napari_qpm.acquisition import Acquisition
from napari_qpm.provenance import versions
from napari_qpm.viewer.wording import describe_recording, explain

if TYPE_CHECKING:
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["Failure", "failure_of", "without_private"]

GUI_PACKAGES = ("napari", "npe2", "qtpy", "PyQt6", "PySide6", "vispy")
NUMERIC_PACKAGES = ("torch", "onnxruntime-gpu", "onnxruntime")
IN_CODE = ("site-packages", "dist-packages", "lib", "src")
SHORTEST_NAME = 3
HIDDEN = "(hidden)"

# In quotes a path may hold spaces; elsewhere it ends at one.
_QUOTED = re.compile(r"""(['"])((?:~?/|[A-Za-z]:[\\/]|\\\\)(?:(?!\1).)*)\1""")
_BARE = re.compile(
    r"""(?<![\w.~/(\\])(?:~?/(?=[\w.~-]+/)|[A-Za-z]:[\\/]|\\\\\w)[^\s'"<>|,;)]+"""
)


@dataclass(frozen=True)
class Failure:
    """A step that failed, and what it worked on.

    Parameters
    ----------
    title
        Of the step.
    message
        The error as a sentence for the viewer's user.
    trace
        Where in the code it was raised; kept as text, because errors keep arrays alive.
    recording
        Kind, size and facts of the recording; `None` when none was selected.
    settings
        The pipeline of the forms as plain values.
    private
        Texts that must not be told: names and places of files.
    """

    title: str
    message: str
    trace: str
    recording: str | None
    settings: dict[str, Any]
    private: tuple[str, ...] = ()

    def report(self) -> str:
        """Return what helps to find the cause, without names and places of files."""
        private = (*self.private, str(Path.home()))
        told = without_private(self.message, private)
        sections = [
            f"napari-qpm report\n\nFailed: {self.title or 'one click'}\n{told}",
            f"Versions:\n{_indented(_as_yaml(_all_versions()))}",
            f"Device:\n{_indented(_device())}",
            f"Recording:\n{_indented(self.recording or 'none selected')}",
        ]
        if self.settings:
            settings = without_private(_as_yaml(self.settings), private)
            sections.append(f"Settings:\n{_indented(settings)}")
        trace = without_private(self.trace, private).rstrip()
        sections.append(f"Traceback:\n{_indented(trace)}")
        return "\n\n".join(sections) + "\n"


def failure_of(error: BaseException, title: str, workflow: "Workflow") -> Failure:
    """Return what failed, with the recording and settings as they are now."""
    acquisition = workflow.acquisition
    private = [] if acquisition is None else _names_of(acquisition)
    folder = workflow.results_folder
    if folder is not None:
        private += [str(folder), folder.name]
    layers = () if acquisition is None else workflow.viewer.layers
    private += [layer.name for layer in layers]
    try:
        settings = workflow.pipeline().to_dict()
    # Settings that cannot be told may be what failed.
    except Exception:  # noqa: BLE001
        settings = {}
    return Failure(
        title,
        message=explain(error, title),
        trace="".join(traceback.format_exception(error)),
        recording=None if acquisition is None else _describe(acquisition),
        settings=settings,
        private=tuple(private),
    )


def without_private(text: str, private: Iterable[str] = ()) -> str:
    """Return a text without these names, and without the folders of any path.

    Parameters
    ----------
    private
        Names and paths, in any order; shorter than three letters they stay, since they
        would tear other words.
    """
    text = _QUOTED.sub(
        lambda found: f"{found[1]}{_shortened(found[2])}{found[1]}", text
    )
    text = _BARE.sub(lambda found: _shortened(found[0]), text)
    for name in sorted(set(private), key=len, reverse=True):
        if len(name) >= SHORTEST_NAME:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", HIDDEN, text)
    return text


def _shortened(path: str) -> str:
    """Return what of a path tells nothing of the user: code from its package on."""
    kind = PureWindowsPath if "\\" in path or path[1:2] == ":" else PurePosixPath
    pure = kind(path.rstrip(".:"))
    end = path[len(path.rstrip(".:")) :]
    if pure.suffix == ".py":
        places = [k for k, part in enumerate(pure.parts) if part in IN_CODE]
        parts = pure.parts[places[-1] + 1 :] if places else pure.parts[-1:]
        return "/".join(parts) + end
    return f"{HIDDEN}{pure.suffix}{end}"


def _names_of(acquisition: Acquisition) -> list[str]:
    """Return what names a recording and where it lies, resolved and not."""
    names = [acquisition.name]
    if acquisition.path is not None:
        for path in (acquisition.path, acquisition.path.resolve()):
            names += [str(path), path.name, path.stem, str(path.parent)]
    return names


def _describe(acquisition: Acquisition) -> str:
    """Return what a recording is, without its name."""
    path = acquisition.path
    file = "none" if path is None else "".join(path.suffixes[-2:]) or "folder"
    dtype = getattr(acquisition.source, "dtype", "unknown")
    facts = {
        "what": describe_recording(acquisition),
        "shape (T, C, Y, X)": str(acquisition.shape),
        "dtype": str(dtype),
        "file": file,
        "missing": ", ".join(acquisition.missing()) or "nothing",
        "instrument": acquisition.instrument.to_dict(),
    }
    return _as_yaml(facts)


def _all_versions() -> dict[str, str]:
    found = versions()
    for name in (*GUI_PACKAGES, *NUMERIC_PACKAGES):
        if name in ("PyQt6", "PySide6") and name not in sys.modules:
            continue
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _device() -> str:
    from napari_qpm.runtime.devices import (
        available_bytes,
        cuda_card,
        installation_conflict,
        n_threads,
    )

    lines = [
        platform.platform(),
        f"{n_threads()} processors, {available_bytes() / 2**30:.1f} GiB of memory free",
        cuda_card() or "no NVIDIA card",
        installation_conflict() or "",
    ]
    return "\n".join(line for line in lines if line)


def _as_yaml(values: Any) -> str:
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True)).rstrip()


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
