"""What linking can be told."""

from pydantic import Field

from napari_qpm.parameters import Parameters

__all__ = ["LinkingParameters"]


class LinkingParameters(Parameters):
    """Limits and choices for following cells over time."""

    max_distance_um: float | None = Field(
        None,
        gt=0,
        le=10_000,
        title="Farthest move between frames (um)",
        description="A cell moves no farther than this from one frame to the next. "
        "Empty: the typical diameter of the cells.",
    )
    max_mass_change: float = Field(
        0.5,
        gt=0.01,
        le=10,
        title="Largest change of mass between frames",
        description="Share by which the dry mass of a cell may rise from one frame to "
        "the next, or the like fall: 0.5 allows 1.5 times and 1/1.5 of the mass. The "
        "smaller, the more the mass decides which cell is which.",
    )
    max_gap: int = Field(
        2,
        ge=0,
        le=100,
        title="Frames a cell may be missing",
        description="A cell that is missing from this many frames is still followed.",
    )
    divisions: bool = Field(
        True,
        title="Find divisions",
        description="Follow a cell that divides into its two daughters.",
    )
    division_mass_tolerance: float = Field(
        0.2,
        gt=0,
        le=10,
        title="Tolerance of mass in a division",
        description="A division is marked as suspect when the daughters together "
        "differ from their mother by more than this share of her mass.",
    )
    overlap_weight: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Weight of the overlap",
        description="How much it counts against a link that the outlines in two "
        "frames do not overlap; 0 leaves overlap out, 1 rules out links without any "
        "except those of daughters and over gaps.",
    )
    growth_window_h: float = Field(
        6.0,
        gt=0,
        le=10_000,
        title="Window of the growth rate (h)",
        description="The growth rate of a cell at a moment is fitted over this time "
        "around it, never across a division.",
    )
