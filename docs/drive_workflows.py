"""Four recordings, from an empty napari to an exported table, by mouse and keyboard.

Every step is timed and photographed; the real widgets are used and nothing behind them
is called. Run under a display or Xvfb::

    xvfb-run -a -s "-screen 0 1600x1000x24" python docs/drive_workflows.py
        [polarization hologram phase-image long] [--data ../shared/data]

The pictures go to docs/images, the times to the table of docs/workflows.md. The long
recording is simulated once (minutes) and kept in --long.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from simulated_user import User

DOCS = Path(__file__).parent
IMAGES = DOCS / "images"
PAGE = DOCS / "workflows.md"
BEGIN, END = "<!-- times: {} -->", "<!-- end of times: {} -->"
READER = "Quantitative phase"
DOCK = "QPM"
LONG_SAMPLE = (
    "off-axis",
    *("--set", "n_frames=1000", "--set", "shape=[384,384]"),
    *("--set", "frame_interval_s=120", "--set", "seed=3", "--set", "n_cells=5"),
)
PIXEL_SIZE_UM = 0.627
"""Of a sister image of the A2780 images, by their authors; see docs/recordings.md."""


@dataclass
class Drive:
    """One recording's way through the dock.

    Parameters
    ----------
    name
        Beginning of the file names of its pictures.
    title
        What the recording is, for the table.
    caption
        Source of what is seen, for the pictures.
    """

    name: str
    title: str
    caption: str
    user: User = field(default_factory=User)
    rows: list[tuple[str, float, str]] = field(default_factory=list)

    def do(
        self,
        what: str,
        gesture: Callable[[], object],
        picture: str = "",
        is_fitted: bool = False,
    ) -> None:
        """Do a step, wait for its job, note its time, and take a picture."""
        started = time.perf_counter()
        gesture()
        self.user.wait_for_job()
        self.user.settle(0)
        seconds = time.perf_counter() - started
        print(f"{seconds:8.2f} s  {what}", flush=True)
        if is_fitted:
            self.user.fit_view()
        if picture:
            self.look(picture)
        self.rows.append((what, seconds, picture))

    def look(self, picture: str) -> None:
        """Take a picture of what is there now."""
        self.user.picture(IMAGES / f"{self.name}-{picture}.png", self.caption)

    def open_dock(self) -> None:
        """Open the dock in an empty napari."""
        self.do(
            "Open the dock: *Plugins > QPM*",
            lambda: self.user.menu("Plugins", DOCK),
            "0-empty",
        )

    def open_path(self, path: Path, menu: str) -> None:
        """Open a file or folder by napari's own dialogs."""

        def gesture() -> None:
            with self.user.answering(path=path, reader=READER):
                self.user.menu("File", menu)

        self.do(f"Open it: *File > {menu}…*", gesture, "1-opened", is_fitted=True)

    def press(self, title: str, button: str, picture: str = "") -> None:
        """Press a button of this title and wait for its job."""
        self.do(f"Press *{title}*", lambda: self.user.click(button), picture)

    def run_steps(self, *pictures: str) -> None:
        """Retrieve, segment and measure, one button after the other."""
        for title, button, picture in zip(
            ("Retrieve phase", "Segment cells", "Measure cells"),
            ("retrieve_button", "segment_button", "measure_button"),
            pictures,
            strict=True,
        ):
            self.press(title, button, picture)

    def export(self, folder: Path, picture: str) -> None:
        """Export the table, and make sure that it is there."""
        path = folder / f"{self.name}.csv"

        def gesture() -> None:
            with self.user.answering(path=path):
                self.user.click("export_button")

        self.do("Press *Export table…* and name a file", gesture, picture)
        if len(path.read_text().splitlines()) < 2:
            sys.exit(f"{path} has no rows.")

    def finish(self) -> None:
        """Close napari and write the times."""
        self.user.close()
        write_times(self)


def drive_polarization(options: argparse.Namespace) -> None:
    """The bundled time-lapse of growing cells."""
    drive = Drive(
        "polarization",
        "Polarization camera, 12 raw mosaics of 384 x 384 px (bundled sample)",
        "Simulated recording: File > Open Sample > Growing cells, polarization camera",
    )
    user = drive.user
    drive.open_dock()
    drive.do(
        "Open the sample: *File > Open Sample > … > Growing cells*",
        lambda: user.menu("File", "Open Sample", "Quantitative phase", "Growing cells"),
        "1-opened",
        is_fitted=True,
    )
    show_preview(drive, 8, "1-preview")
    drive.do("Press *Retrieve phase*", lambda: user.click("retrieve_button"), "2-phase")
    drive.do("Press *Segment cells*", lambda: user.click("segment_button"), "3-cells")
    drive.do(
        "Press *Measure cells*", lambda: user.click("measure_button"), "4-measured"
    )
    drive.do("Click a row of the table", lambda: user.click_row(3))
    drive.do(
        "Choose *Colour cells by: Dry mass*",
        lambda: user.choose("colour_column", "Dry mass (pg)"),
        "5-coloured",
    )
    drive.do(
        "Choose *One row for each track*",
        lambda: user.choose("table_rows", "One row for each track"),
    )
    drive.do(
        "Press *Plots*: dry mass over time",
        lambda: user.click("plots_button"),
        "6-over-time",
        is_fitted=True,
    )
    drive.do(
        "Choose *Scatter*", lambda: user.choose("plot_kind", "Scatter"), "7-scatter"
    )
    drive.do(
        "Open *Profile and regions*",
        lambda: user.open_tab("plot_tabs", "Profile and regions"),
    )
    draw_line_and_region(drive)
    drive.export(options.exports, "9-exported")
    drive.finish()


def draw_line_and_region(drive: Drive) -> None:
    """Draw a line through a cell and a polygon around another one."""
    user = drive.user
    phase = next(one for one in user.viewer.layers if one.name.endswith(" phase"))
    height, width = phase.data.shape[-2:]

    def at(y: float, x: float) -> object:
        return user.place_of(phase, y * height, x * width)

    def draw_line() -> None:
        user.click("line_button")
        user.drag(at(0.18, 0.01), at(0.18, 0.6))

    def draw_region() -> None:
        user.click("polygon_button")
        corners = (at(0.65, 0.775), at(0.65, 0.985), at(0.88, 0.985), at(0.88, 0.775))
        user.click_canvas(*corners, is_double=True)

    drive.do("Press *Draw line* and drag over a cell", draw_line)
    drive.do("Type the profile's width", lambda: user.type_number("profile_width", 5))
    drive.do(
        "Press *Draw polygon* and click around a cell",
        draw_region,
        "8-profile-and-region",
    )


def drive_hologram(options: argparse.Namespace) -> None:
    """One real HL60 cell with its cell-free reference."""
    drive = Drive(
        "hl60-hologram",
        "Off-axis hologram, 200 x 210 px, with its reference (real)",
        "HL60 cell, real hologram: hologram_cell.npz of RI-imaging/qpretrieve (MIT); "
        "its wavelength and pixel size are not stated",
    )
    user = drive.user
    drive.open_dock()
    drive.open_path(
        options.data / "oah-hl60-reference" / "hologram_cell.npz", "Open File(s)"
    )
    drive.do("Press *Retrieve phase*", lambda: user.click("retrieve_button"), "2-phase")
    drive.do("Press *Segment cells*", lambda: user.click("segment_button"), "3-cells")
    drive.do(
        "Press *Measure cells*", lambda: user.click("measure_button"), "4-measured"
    )
    drive.do(
        "Press *Plots*, then *Profile and regions*",
        lambda: (
            user.click("plots_button"),
            user.open_tab("plot_tabs", "Profile and regions"),
        ),
        is_fitted=True,
    )
    phase = next(one for one in user.viewer.layers if one.name.endswith(" phase"))
    height, width = phase.data.shape[-2:]

    def draw_line() -> None:
        user.click("line_button")
        user.drag(
            user.place_of(phase, height / 2, 0.05 * width),
            user.place_of(phase, height / 2, 0.95 * width),
        )

    drive.do("Press *Draw line* and drag over the cell", draw_line, "5-profile")
    drive.export(options.exports, "6-exported")
    drive.finish()


def drive_phase_image(options: argparse.Namespace) -> None:
    """One real phase image of A2780 cells."""
    drive = Drive(
        "a2780-phase",
        "Phase image of A2780 cells, 600 x 600 px (real)",
        "A2780 cells, real phase image: img_009.tif of "
        "tomasvicar/Improved_QPI_Iterative_Thresholding (BSD-3-Clause)",
    )
    user = drive.user
    drive.open_dock()
    drive.open_path(options.data / "qpi-a2780-masks" / "img_009.tif", "Open File(s)")
    drive.do(
        "Choose *Values in: dry-mass density*",
        lambda: user.choose("phase_unit", "pg/µm²"),
    )
    drive.do(
        "Type the pixel size",
        lambda: user.type_number("pixel_size_um", PIXEL_SIZE_UM),
        "2-filled-in",
        is_fitted=True,
    )
    drive.press("Run all steps", "run_all_button", "3-measured")
    drive.do(
        "Choose *Colour cells by: Dry mass*",
        lambda: user.choose("colour_column", "Dry mass (pg)"),
    )
    drive.do(
        "Press *Plots* and choose *Histogram*",
        lambda: (
            user.click("plots_button"),
            user.choose("plot_kind", "Histogram"),
        ),
        "4-histogram",
        is_fitted=True,
    )
    drive.export(options.exports, "5-exported")
    drive.finish()


def drive_long(options: argparse.Namespace) -> None:
    """A thousand simulated holograms."""
    path = long_recording(options.long)
    drive = Drive(
        "long",
        "Off-axis time-lapse, 1000 holograms of 384 x 384 px, 33 h (simulated, 295 MB)",
        f"Simulated recording: napari-qpm simulate {' '.join(LONG_SAMPLE)}",
    )
    user = drive.user
    drive.open_dock()
    drive.open_path(path, "Open Folder")
    show_preview(drive, 700, "1-preview")
    drive.do("Move the slider again", lambda: user.show_frame(501))
    started = time.perf_counter()
    user.click("retrieve_button")
    user.wait_until(lambda: time.perf_counter() - started > 5)
    if user.is_job_running():
        drive.look("2-filling")
    user.wait_for_job()
    drive.rows.append(
        (
            "Press *Retrieve phase* (all 1000 frames)",
            time.perf_counter() - started,
            "2-filling",
        )
    )
    drive.look("2-phase")
    drive.press("Segment cells", "segment_button", "3-cells")
    drive.press("Measure cells", "measure_button", "4-measured")
    drive.do(
        "Choose *One row for each track* and click one",
        lambda: (
            user.choose("table_rows", "One row for each track"),
            user.click_row(0),
        ),
    )
    drive.do(
        "Press *Plots*: dry mass over time",
        lambda: user.click("plots_button"),
        "5-over-time",
        is_fitted=True,
    )
    drive.export(options.exports, "6-exported")
    drive.finish()


def show_preview(drive: Drive, t: int, picture: str) -> None:
    """Move the time slider, and wait for the frame's cells."""
    user = drive.user

    def gesture() -> None:
        user.show_frame(t)
        names = [" preview", " preview cells"]
        user.wait_until(
            lambda: all(
                any(one.name.endswith(end) for one in user.viewer.layers)
                for end in names
            )
        )

    drive.do("Move the time slider: phase and cells follow", gesture, picture)


def long_recording(folder: Path) -> Path:
    """Return the long recording, simulated at the first call."""
    path = folder / "off-axis-sample.ome.zarr"
    if not path.exists():
        print(f"Simulating 1000 frames into {folder} (some minutes) …", flush=True)
        command = [sys.executable, "-m", "napari_qpm", "simulate", *LONG_SAMPLE]
        subprocess.run([*command, "-o", str(folder)], check=True)
    return path


def write_times(drive: Drive) -> None:
    """Replace the table of one recording in docs/workflows.md."""
    lines = ["| step | time | picture |", "|---|---|---|"]
    for what, seconds, picture in drive.rows:
        shown = f"[picture](images/{drive.name}-{picture}.png)" if picture else ""
        lines.append(f"| {what} | {seconds:.1f} s | {shown} |")
    total = sum(row[1] for row in drive.rows)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    lines.append(f"| all steps | {total:.1f} s | |")
    lines += ["", f"{os.cpu_count()} processors, load average {load:.1f} at the end."]
    begin, end = BEGIN.format(drive.name), END.format(drive.name)
    page = PAGE.read_text()
    if begin not in page:
        page += f"\n## {drive.title}\n\n{begin}\n{end}\n"
    head, rest = page.split(begin)
    tail = rest.split(end, 1)[1]
    table = "\n".join(lines)
    PAGE.write_text(f"{head}{begin}\n\n{table}\n\n{end}{tail}")
    print(f"\n{drive.title}\n{table}\n", flush=True)


DRIVES = {
    "polarization": drive_polarization,
    "hologram": drive_hologram,
    "phase-image": drive_phase_image,
    "long": drive_long,
}


def main() -> None:
    """Drive through the recordings that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*DRIVES, []])
    parser.add_argument(
        "--data", type=Path, default=DOCS.parent.parent / "shared" / "data"
    )
    parser.add_argument(
        "--long", type=Path, default=Path(tempfile.gettempdir()) / "napari-qpm-long"
    )
    options = parser.parse_args()
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as exports:
        options.exports = Path(exports)
        for name in options.names or DRIVES:
            DRIVES[name](options)


if __name__ == "__main__":
    main()
