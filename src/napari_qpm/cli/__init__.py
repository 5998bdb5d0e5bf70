"""The ``napari-qpm`` command; rooms load inside the commands, so help is instant."""

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from napari_qpm.cli import (
    adapting,
    calibrating,
    checking,
    evaluating,
    fine_tuning,
    models,
    processing,
    tools,
)
from napari_qpm.cli.output import Output, UsageError, plain_line

__all__ = ["app", "main"]

app = typer.Typer(
    name="napari-qpm",
    help="Raw phase-microscopy recordings become phase, cells and picograms.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
processing.register(app)
checking.register(app)
evaluating.register(app)
tools.register(app)
calibrating.register(app)
models.register(app)
adapting.register(app)
fine_tuning.register(app)


@app.callback()
def _common(
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show what happens inside, on stderr.")
    ] = False,
) -> None:
    level = logging.INFO if verbose else logging.ERROR
    logging.basicConfig(level=level, stream=sys.stderr, format="%(name)s: %(message)s")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0 done, 1 failed, 2 used wrongly, 130 cancelled."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        status = app(args=given, prog_name="napari-qpm", standalone_mode=False)
    except UsageError as error:
        describe: Callable[[], str] = getattr(error, "format_message", error.__str__)
        with Output("--json" in given) as output:
            output.error(f"{plain_line(describe())} See napari-qpm --help.")
        sys.exit(2)
    except typer.Abort:
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
