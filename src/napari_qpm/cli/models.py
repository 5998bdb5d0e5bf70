"""``napari-qpm models …`` and ``napari-qpm train``: networks, theirs and yours."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_qpm.cli.options import Json
from napari_qpm.cli.output import EXIT_CANCELLED, command_output

if TYPE_CHECKING:
    from napari_qpm.runtime import Model

__all__ = ["register"]

Name = Annotated[str, typer.Argument(help="Name of the model.")]
NewName = Annotated[
    str | None, typer.Option("--name", help="New name; absent: its own.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace a model of this name.")
]

models = typer.Typer(
    help="Trained networks: list, show, check, install, remove, export.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.add_typer(models, name="models")
    # The options are those of python -m napari_qpm.training, and parsed there.
    unparsed = {"ignore_unknown_options": True, "allow_extra_args": True}
    app.command(context_settings=unparsed, add_help_option=False)(train)


@models.command("list")
def list_models(json: Json = False) -> None:
    """List the models that can be used, and what is wrong with others."""
    with command_output(json) as output:
        from napari_qpm.runtime import ModelStore

        store = ModelStore()
        found, problems = store.models(), store.problems()
        lines = [_line(model) for model in found]
        lines += [f"{name}: {problem}" for name, problem in problems.items()]
        lines += [f"Your models are in {store.user}."]
        values = {
            "models": [_values(model) for model in found],
            "problems": problems,
            "user_folder": str(store.user),
        }
        output.result(values, "\n".join(lines))


@models.command("show")
def show_model(name: Name, json: Json = False) -> None:
    """Show all that is known of a model."""
    with command_output(json) as output:
        from napari_qpm.runtime import ModelStore
        from napari_qpm.runtime.store import CARD_FILE

        model = ModelStore().model(name)
        card = model.folder / CARD_FILE
        text = card.read_text("utf-8") if card.is_file() else _line(model)
        output.result(_values(model), f"{text.rstrip()}\n\n{model.folder}")


@models.command("check")
def check_models(
    names: Annotated[
        list[str] | None, typer.Argument(help="Models to check; absent: all.")
    ] = None,
    json: Json = False,
) -> None:
    """Read all weights, and compare the graph with the network they came from."""
    with command_output(json) as output:
        from napari_qpm.errors import FileFormatError
        from napari_qpm.runtime import ModelStore
        from napari_qpm.runtime.parity import PARITY_TOLERANCE, parity_error

        store = ModelStore()
        problems = {} if names else store.problems()
        differences = {}
        for name in names or store.names():
            if name not in problems:
                output.token.raise_if_cancelled()
                differences[name] = parity_error(store.check(name))
        problems |= {
            name: f"ONNX and torch differ by {error:.2g}"
            for name, error in differences.items()
            if not error <= PARITY_TOLERANCE
        }
        if problems:
            raise FileFormatError(
                "; ".join(f"{name}: {problem}" for name, problem in problems.items())
            )
        lines = [f"{n}: whole; ONNX = torch to {e:.1g}" for n, e in differences.items()]
        output.result({"differences": differences}, "\n".join(lines or ["No models."]))


@models.command("install")
def install_model(
    source: Annotated[Path, typer.Argument(help="Folder of a model, or a zip file.")],
    name: NewName = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Copy a model among yours."""
    with command_output(json) as output:
        from napari_qpm.runtime import ModelStore

        model = ModelStore().install(source, name, overwrite=overwrite)
        output.result(_values(model), f"{_line(model)}\n{model.folder}")


@models.command("remove")
def remove_model(name: Name, json: Json = False) -> None:
    """Delete one of your models."""
    with command_output(json) as output:
        from napari_qpm.runtime import ModelStore

        ModelStore().remove(name)
        output.result({"removed": name}, f"{name} is removed.")


@models.command("export")
def export_model(
    training: Annotated[Path, typer.Argument(help="Folder of a training.")],
    name: Annotated[str, typer.Option("--name", help="Name of the model.")],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder that gets the model; absent: among your models."
        ),
    ] = None,
    title: Annotated[
        str | None, typer.Option("--title", help="Name of the model for people.")
    ] = None,
    metrics: Annotated[
        Path | None, typer.Option("--metrics", help="JSON file of held-out scores.")
    ] = None,
    graph_of: Annotated[
        Path | None,
        typer.Option(
            "--graph-of",
            help="Folder of a model of the same network: its graph is taken over.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Make a model of the best weights of a training."""
    with command_output(json) as output:
        from napari_qpm.runtime import open_model, user_models_folder
        from napari_qpm.training.ship import export_training

        place = folder or user_models_folder()
        model = export_training(
            training,
            place if place.name == name else place / name,
            name=name,
            title=title,
            metrics=_scores(metrics),
            overwrite=overwrite,
            graph_of=None if graph_of is None else open_model(graph_of),
        )
        output.result(_values(model), f"{_line(model)}\n{model.folder}")


def train(context: typer.Context) -> None:
    """Train a network; see napari-qpm train --help."""
    from napari_qpm.errors import JobCancelled
    from napari_qpm.training.command import make_parser, result_values, train_as_asked

    as_json = "--json" in context.args
    arguments = [argument for argument in context.args if argument != "--json"]
    # Outside of the output, which is for results only: --help goes where help goes.
    options = make_parser("napari-qpm train").parse_args(arguments)
    with command_output(as_json) as output:
        try:
            result = train_as_asked(options, output.token, output.report)
        except JobCancelled:
            output.error(f"Stopped. Go on with --resume --out {options.out}")
            raise typer.Exit(EXIT_CANCELLED) from None
        scores = ", ".join(f"{k} {v:.4g}" for k, v in result.scores.items())
        text = f"{result.folder}: {result.steps} steps, {scores}"
        output.result(result_values(result), text)


def _line(model: "Model") -> str:
    spec = model.spec
    origin = "napari-qpm" if model.is_bundled else "yours"
    adapted = f", adapted from {spec.base}" if spec.base else ""
    return f"{spec.name}  ({spec.kind}, {spec.modality or 'any'}, {origin}{adapted})"


def _values(model: "Model") -> dict[str, Any]:
    return {
        **model.spec.to_dict(),
        "folder": str(model.folder),
        "is_bundled": model.is_bundled,
    }


def _scores(path: Path | None) -> dict[str, Any]:
    import json

    from napari_qpm.errors import FileFormatError

    if path is None:
        return {}
    try:
        scores = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path} cannot be read: {error}") from error
    if not isinstance(scores, dict):
        raise FileFormatError(f"{path} holds no object of scores.")
    return scores
