"""Errors a user can act on: what happened, with which file or layer, and what to do.

All that we raise on purpose derives from `QPMError`. None is a `RuntimeError`, because
napari's generator workers swallow those.
"""

import difflib
from collections.abc import Iterable

__all__ = [
    "FileFormatError",
    "JobCancelled",
    "LayoutError",
    "MissingMetadataError",
    "ModalityError",
    "OutOfDeviceMemoryError",
    "OutputError",
    "ParameterError",
    "QPMError",
    "SidebandError",
    "UnknownNameError",
]


class QPMError(Exception):
    """Root of every error that napari-qpm raises on purpose."""


class FileFormatError(QPMError):
    """A file cannot be read: unknown format, truncated, or contradicting its header."""


class LayoutError(QPMError):
    """Shapes, channels or the polarization mosaic do not fit what was asked."""


class ModalityError(QPMError):
    """The kind of recording is unknown, or an engine was given another kind."""


class SidebandError(QPMError):
    """No usable interference sideband was found in a hologram."""


class ParameterError(QPMError):
    """A parameter of an engine or pipeline is unknown or out of range."""


class OutOfDeviceMemoryError(QPMError):
    """A network's intermediate results do not fit into the memory of its device."""


class OutputError(QPMError):
    """Results cannot be written: disk full, folder read-only, or occupied."""


class JobCancelled(QPMError):
    """The user cancelled a job; what was finished before stays valid."""


class MissingMetadataError(QPMError):
    """A calibration value is needed and unknown.

    Parameters
    ----------
    field
        The `Instrument` field that is missing, for example ``"pixel_size_um"``.
    needed_for
        What cannot be computed without it.
    where
        File or layer the value is missing from.
    """

    def __init__(self, field: str, needed_for: str, where: str = "the recording"):
        self.field = field
        super().__init__(
            f"{needed_for} needs {field}, which {where} does not state. "
            f"Give it as {field}=… when opening, on the command line as "
            f"--set-instrument {field}=…, or in a sidecar file *.qpm.yaml."
        )


class UnknownNameError(QPMError):
    """A name that nothing is registered under; lists what exists.

    Parameters
    ----------
    kind
        What was looked up, for example ``"phase engine"``.
    name
        The unknown name.
    known
        Every registered name.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        options = sorted(known)
        close = difflib.get_close_matches(name, options, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        super().__init__(
            f"There is no {kind} named {name!r}.{hint} Available: {', '.join(options)}."
        )
