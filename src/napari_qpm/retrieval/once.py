"""What an engine learns from a whole recording, kept from frame to frame."""

from collections.abc import Callable
from typing import Generic, TypeVar

from napari_qpm.acquisition import Acquisition

__all__ = ["OncePerAcquisition"]

T = TypeVar("T")


class OncePerAcquisition(Generic[T]):
    """A function of an acquisition that runs once while it is asked for the same one.

    Acquisitions do not change, and a viewer asks for one frame of them at a time: a
    reference frame would be read anew for each.

    Parameters
    ----------
    make
        The function.
    """

    def __init__(self, make: Callable[[Acquisition], T]):
        self._make = make
        self._kept: tuple[Acquisition, T] | None = None

    def __call__(self, acquisition: Acquisition) -> T:
        """Return what the function gives."""
        kept = self._kept
        if kept is None or kept[0] is not acquisition:
            kept = self._kept = (acquisition, self._make(acquisition))
        return kept[1]
