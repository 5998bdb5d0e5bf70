from pathlib import Path

import pytest

from napari_qpm.errors import LayoutError
from napari_qpm.io.angle_names import order_by_angle

ANGLES = (0, 45, 90, 135)
SPELLINGS = [
    "{}",
    "I{}",
    "I_{:03}",
    "cell_{:02}",
    "{}deg",
    "deg{}",
    "{:03}°",
    "pol-{}-raw",
    "P{}_s001",
    "Image 7 ({} degrees)",
    "{}.0deg",
]


def order(names):
    ordered = order_by_angle(Path("folder"), [Path(f"{name}.tif") for name in names])
    return None if ordered is None else [path.stem for path in ordered]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_any_usual_spelling_is_understood(spelling):
    names = [spelling.format(angle) for angle in ANGLES]
    assert order(names[::-1]) == names


@pytest.mark.parametrize("spelling", ["t{t}_{a}", "{a}_t{t}", "{a:03}deg-t{t}"])
def test_frames_are_kept_apart_in_natural_order(spelling):
    names = [
        spelling.replace("/", "-").format(t=t, a=a) for t in (2, 10, 45) for a in ANGLES
    ]
    assert order(sorted(names)) == names


@pytest.mark.parametrize(
    "names",
    [
        ["a1", "a2", "a3", "a4"],
        ["frame0", "frame1", "frame2", "frame45"],
        ["t10", "t145", "t190", "t1135"],
        ["0", "45"],
        ["0.45", "0.90", "0.135", "0.0"],
    ],
)
def test_other_numbers_are_no_angles(names):
    assert order(names) is None


def test_a_missing_angle_is_named_with_its_frame():
    names = [f"t{t}_{a}" for t in (1, 2) for a in ANGLES if (t, a) != (2, 90)]
    with pytest.raises(LayoutError, match=r"for 't2_…'.*90 degrees is missing"):
        order(names)
