"""What the user set for all recordings, in napari's *Preferences*.

The manifest declares it under ``configurations``; napari draws the page, checks the
values and keeps them in a file. Paths and lists do not fit there.
"""

import logging
from dataclasses import dataclass
from typing import Any

from napari_qpm.runtime.devices import DeviceName

__all__ = ["Preferences", "read_preferences", "watched_settings"]

logger = logging.getLogger(__name__)
PLUGIN = "napari-qpm"


@dataclass(frozen=True)
class Preferences:
    """Values of the page, or its defaults where it is not there.

    Parameters
    ----------
    follow_slider
        Whether a new dock shows phase and cells of the frame under the slider.
    frames_ahead
        How many frames are made before the slider reaches them.
    save_after_s
        How long after the last stroke corrected cells are saved.
    device
        Where networks run unless the form says otherwise.
    """

    follow_slider: bool = True
    frames_ahead: int = 2
    save_after_s: float = 1.5
    device: DeviceName = DeviceName.AUTO


def watched_settings() -> Any:
    """Return napari's settings of this plugin; `None` where they cannot be had.

    A file that cannot be read must not keep the dock from opening.
    """
    from napari.settings import get_plugin_settings

    try:
        return get_plugin_settings(PLUGIN)
    except KeyError:
        # Not installed as a plugin, as in some scripts and tests.
        return None
    except (AssertionError, AttributeError, OSError, TypeError, ValueError):
        logger.warning("The preferences of %s cannot be read.", PLUGIN, exc_info=True)
        return None


def read_preferences(settings: Any) -> Preferences:
    """Return what these settings say."""
    if settings is None:
        return Preferences()
    return Preferences(
        follow_slider=settings.preview.follow_slider,
        frames_ahead=settings.preview.frames_ahead,
        save_after_s=settings.corrections.save_after_s,
        device=DeviceName(settings.networks.device),
    )
