"""Options that several commands share, and how their text becomes values."""

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "Channel",
    "Engine",
    "Inputs",
    "Json",
    "ModalityName",
    "OutputFolder",
    "Overwrite",
    "PixelSize",
    "Reference",
    "Resume",
    "RunFolder",
    "Scheduler",
    "SetInstrument",
    "SetLinking",
    "SetParameter",
    "Wavelength",
    "instrument_values",
    "key_values",
]

Inputs = Annotated[
    list[Path], typer.Argument(help="Recordings: files or folders of frames.")
]
OutputFolder = Annotated[
    Path, typer.Option("--output", "-o", help="Folder for the results.")
]
ModalityName = Annotated[
    str | None,
    typer.Option(
        "--modality",
        help="Kind of recording, such as off-axis; detected if absent.",
    ),
]
Wavelength = Annotated[
    float | None, typer.Option("--wavelength-nm", help="Wavelength of the light [nm].")
]
PixelSize = Annotated[
    float | None,
    typer.Option("--pixel-size-um", help="Pixel size in the object plane [um]."),
]
Reference = Annotated[
    Path | None,
    typer.Option(
        "--reference",
        help="Frame of an empty field, for all inputs; the word median takes that of "
        "the series.",
    ),
]
Channel = Annotated[
    str | None,
    typer.Option(
        "--channel",
        help="Name or number of the channel that makes the phase, where a file also "
        "holds others, such as fluorescence; found if absent.",
    ),
]
Engine = Annotated[
    str | None,
    typer.Option("--engine", help="Engine; see napari-qpm engines."),
]
SetParameter = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Parameter of the engine; repeatable."
    ),
]
OWN_OPTIONS = frozenset({"modality", "channel"})
"""What commands ask for by an option of its own."""
SetInstrument = Annotated[
    list[str] | None,
    typer.Option(
        "--set-instrument",
        metavar="KEY=VALUE",
        help="Fact about the instrument, such as magnification=40; repeatable.",
    ),
]
SetLinking = Annotated[
    list[str] | None,
    typer.Option(
        "--set-link",
        metavar="KEY=VALUE",
        help="Parameter of linking, such as max_gap=3; repeatable.",
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace results of other settings.")
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="dask scheduler to run on; absent: threads of this computer.",
    ),
]
RunFolder = Annotated[
    Path | None,
    typer.Option("--folder", help="Keep the training here, to go on later."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on in the folder.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON lines only, for programs.")
]


def key_values(pairs: list[str] | None, option: str = "--set") -> dict[str, Any]:
    """Return ``key=value`` texts as values; lists and mappings in YAML's short form.

    Plain texts stay texts: the parameter's own type decides what they mean.
    """
    import yaml

    values: dict[str, Any] = {}
    for pair in pairs or []:
        key, equals, text = pair.partition("=")
        key, text = key.strip(), text.strip()
        if not equals or not key:
            raise typer.BadParameter(
                f"{pair!r} is not of the form key=value.", param_hint=option
            )
        if key in values:
            raise typer.BadParameter(f"{key} is given twice.", param_hint=option)
        if text in ("", "null"):
            values[key] = None
        elif text[0] in "[{":
            try:
                values[key] = yaml.safe_load(text)
            except yaml.YAMLError:
                raise typer.BadParameter(
                    f"{text!r} is not a list like [1, 2].", param_hint=option
                ) from None
        else:
            values[key] = text
    return values


def instrument_values(
    pairs: list[str] | None,
    wavelength_nm: float | None = None,
    pixel_size_um: float | None = None,
) -> dict[str, Any]:
    """Return the instrument fields of the options; numbers become numbers."""
    given = key_values(pairs, "--set-instrument")
    for name in OWN_OPTIONS & given.keys():
        raise typer.BadParameter(
            f"{name} is no fact about the instrument: give --{name} {given[name]}.",
            param_hint="--set-instrument",
        )
    values = {
        key: _number(value) if isinstance(value, str) else value
        for key, value in given.items()
    }
    if wavelength_nm is not None:
        values["wavelength_nm"] = wavelength_nm
    if pixel_size_um is not None:
        values["pixel_size_um"] = pixel_size_um
    return values


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
