"""The checks of the frame that is shown, as the Phase step says them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_qpm.acquisition import PhaseMap
from napari_qpm.errors import QPMError
from napari_qpm.jobs import CancelToken, Progress, ReportProgress

if TYPE_CHECKING:
    from napari_qpm.checks import Checks

__all__ = ["CheckedFrame", "check_shown"]


@dataclass(frozen=True)
class CheckedFrame:
    """What the checks say of one frame.

    Parameters
    ----------
    t
        Number of the frame.
    is_series
        Whether the recording has others.
    checks
        The three checks, unless they could not be made.
    problem
        Why they could not be made.
    """

    t: int
    is_series: bool
    checks: "Checks | None" = None
    problem: str = ""

    @property
    def headline(self) -> str:
        """The verdicts in one line."""
        where = f"Frame {self.t}: " if self.is_series else ""
        if self.checks is None:
            return f"{where}Not checked: {self.problem}"
        return f"{where}{self.checks.summary()}"

    @property
    def detail(self) -> str:
        """What each check sees, and what it cannot see."""
        return self.problem if self.checks is None else self.checks.describe()


def check_shown(
    phase_map: PhaseMap,
    frames: Collection[int],
    shown: int,
    token: CancelToken,
    report: ReportProgress,
) -> CheckedFrame:
    """Return the checks of the shown frame, or of the first one that has a phase.

    A check that cannot be made never costs the phase; it says why instead.
    """
    from napari_qpm.checks import check_frame

    t = shown if shown in frames else min(frames, default=0)
    is_series = phase_map.n_frames > 1
    token.raise_if_cancelled()
    report(Progress(0, 1, "frames", "Checking the phase"))
    try:
        checks = check_frame(phase_map.acquisition, phase_map, t)
    except QPMError as error:
        return CheckedFrame(t, is_series, problem=str(error))
    return CheckedFrame(t, is_series, checks)
