"""Commands around processing: engines, instruments, view, demo, warm."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_qpm.cli.instruments import fit_instrument, simulate
from napari_qpm.cli.options import Json
from napari_qpm.cli.output import command_output

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    for command in (engines, fit_instrument, simulate, view, demo, warm):
        app.command()(command)


def engines(
    name: Annotated[str | None, typer.Argument(help="Only this engine.")] = None,
    json: Json = False,
) -> None:
    """List engines and the parameters that --set takes."""
    with command_output(json) as output:
        from napari_qpm.cli.catalogue import describe_engines, engine_records

        records = engine_records(name)
        output.result({"engines": records}, describe_engines(records))


def view(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Recordings or results to open.")
    ] = None,
) -> None:
    """Open recordings or results in napari, with our dock."""
    with command_output(as_json=False) as output:
        from napari_qpm.viewer.launch import launch

        launch(paths or [])
        output.close_bar()


def demo(
    output_folder: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for table and picture.")
    ] = Path("demo-output"),
    headless: Annotated[
        bool, typer.Option("--headless", help="Do not open napari afterwards.")
    ] = False,
    json: Json = False,
) -> None:
    """Do the main job on a simulated recording, with a summary and a picture."""
    with command_output(json) as output:
        from napari_qpm.demo import can_show, run_demo

        outcome = run_demo(output_folder, output.token, output.report)
        output.result(outcome.summary(), outcome.describe())
    if not (headless or json) and can_show():
        _show([outcome.recording, outcome.result.folder])


def _show(paths: list[Path]) -> None:
    """Open napari in its own process: a missing graphics driver must not fail us."""
    command = [sys.executable, "-m", "napari_qpm", "view", *map(str, paths)]
    status = subprocess.run(command, check=False).returncode
    if status:
        typer.echo(f"napari could not open a window (exit status {status}).", err=True)


def warm(json: Json = False) -> None:
    """Compile the fast kernels once, so that the first recording is fast too."""
    with command_output(json) as output:
        from napari_qpm.demo import warm_kernels

        seconds: dict[str, Any] = warm_kernels(output.token, output.report)
        total = sum(seconds.values())
        output.result({"seconds": seconds}, f"Kernels are ready ({total:.1f} s).")
