"""Names to classes without importing them: engines load at first use."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from napari_qpm.errors import UnknownNameError

__all__ = ["Entry", "Registry"]


@dataclass(frozen=True)
class Entry:
    """What is known of an engine before it is imported.

    Parameters
    ----------
    name
        Key in pipelines and on the command line.
    title
        Name shown to users.
    target
        ``"package.module:Class"``.
    modality
        Kind of recording it takes, or empty when it takes any.
    summary
        One sentence for the tooltip.
    is_learned
        Whether it answers by a trained network, to be compared with a classical one.
    required
        Parameter without which it cannot run, or empty.
    package
        Optional package that it runs, or empty.
    """

    name: str
    title: str
    target: str
    modality: str = ""
    summary: str = ""
    is_learned: bool = False
    required: str = ""
    package: str = ""

    def load(self) -> Any:
        """Import and return the class."""
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module), attribute)


class Registry:
    """Ordered names of one kind of thing.

    Parameters
    ----------
    kind
        Word for error messages, for example ``"phase engine"``.
    entries
        First entry of a modality is its default.
    """

    def __init__(self, kind: str, *entries: Entry):
        self.kind = kind
        self._entries = {entry.name: entry for entry in entries}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __getitem__(self, name: str) -> Entry:
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries)
        return self._entries[name]

    def for_modality(self, modality: str) -> list[Entry]:
        """Return the entries that take this modality, default first."""
        return [e for e in self if e.modality in ("", modality)]
