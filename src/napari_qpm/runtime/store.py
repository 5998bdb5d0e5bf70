"""Where models are: those that come with napari-qpm, and those of the user.

A model is a folder with ``model.json``, ``weights.safetensors``, ``graph.onnx``, which
has no weights, and ``README.md``. Folders appear and vanish whole: they are filled or
emptied under another name.
"""

import hashlib
import json
import os
import shutil
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_qpm.errors import FileFormatError, OutputError, QPMError, UnknownNameError
from napari_qpm.runtime.spec import ModelSpec, require_model_name

__all__ = [
    "CARD_FILE",
    "GRAPH_FILE",
    "HALF_GRAPH_FILE",
    "NOT_IN_GRAPH",
    "SPEC_FILE",
    "USER_FOLDER_VARIABLE",
    "WEIGHTS_FILE",
    "Model",
    "ModelStore",
    "open_model",
    "sha256_of",
    "user_models_folder",
]

SPEC_FILE, WEIGHTS_FILE, CARD_FILE = "model.json", "weights.safetensors", "README.md"
GRAPH_FILE, HALF_GRAPH_FILE = "graph.onnx", "graph.fp16.onnx"
REQUIRED = (SPEC_FILE, WEIGHTS_FILE, GRAPH_FILE)
NOT_IN_GRAPH = "not_in_graph"
"""Key of the note in the weights on those that inference does not need: counters."""
KEPT = (*REQUIRED, HALF_GRAPH_FILE, CARD_FILE)
USER_FOLDER_VARIABLE = "NAPARI_QPM_MODELS"
LARGEST_BYTES = 1 << 30
"""Of a zip file's content."""
_HIDDEN = "."
_checked: set[tuple[Path, int, int, str]] = set()
_lock = threading.Lock()


def user_models_folder() -> Path:
    """Return the folder of the user's models; NAPARI_QPM_MODELS overrides it."""
    named = os.environ.get(USER_FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("napari-qpm", appauthor=False)) / "models"


def sha256_of(path: Path) -> str:
    """Return the hash of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Model:
    """A model's folder.

    Parameters
    ----------
    spec
        Content of its ``model.json``.
    folder
        Holds the files.
    is_bundled
        Whether it came with napari-qpm.
    """

    spec: ModelSpec
    folder: Path
    is_bundled: bool = False

    @property
    def weights_path(self) -> Path:
        """File of the weights, half precision where that suffices."""
        return self.folder / WEIGHTS_FILE

    @property
    def graph_path(self) -> Path:
        """ONNX graph without weights."""
        return self.folder / GRAPH_FILE

    @property
    def half_graph_path(self) -> Path | None:
        """The graph in half precision for graphics cards, if there is one."""
        path = self.folder / HALF_GRAPH_FILE
        return path if path.is_file() else None

    def weights(self) -> dict[str, NDArray[np.generic]]:
        """Return every weight by name; half precision becomes float32.

        Raises
        ------
        FileFormatError
            The file is missing, damaged, or not the one that the spec states.
        """
        return self._read()[0]

    def graph_weights(self) -> dict[str, NDArray[np.generic]]:
        """Return the weights that the graph needs, as `weights` does."""
        weights, unused = self._read()
        return {name: value for name, value in weights.items() if name not in unused}

    def _read(self) -> tuple[dict[str, NDArray[np.generic]], set[str]]:
        """Return all weights, and the names of those that the graph does not know."""
        import safetensors

        self.verify()
        try:
            with safetensors.safe_open(self.weights_path, framework="numpy") as file:
                stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                unused = json.loads((file.metadata() or {}).get(NOT_IN_GRAPH, "[]"))
        except (OSError, ValueError, safetensors.SafetensorError) as error:
            raise self.damaged(str(error)) from error
        weights = {
            name: value.astype(np.float32) if value.dtype == np.float16 else value
            for name, value in stored.items()
        }
        return weights, set(unused)

    def verify(self) -> None:
        """Raise unless the files are all there and the weights have their hash.

        The hash is computed once as long as the file does not change.

        Raises
        ------
        FileFormatError
            Something is missing or damaged.
        """
        missing = [name for name in REQUIRED if not (self.folder / name).is_file()]
        if missing:
            raise self.damaged(f"{' and '.join(missing)} missing")
        path = self.weights_path
        state = path.stat()
        key = (path.resolve(), state.st_mtime_ns, state.st_size, self.spec.sha256)
        with _lock:
            if key in _checked:
                return
        if sha256_of(path) != self.spec.sha256:
            raise self.damaged(f"{WEIGHTS_FILE} has another hash")
        with _lock:
            _checked.add(key)

    def damaged(self, what: str) -> FileFormatError:
        """Return the error to raise when something is wrong with the files."""
        remedy = (
            "reinstall napari-qpm" if self.is_bundled else "export or install it again"
        )
        return FileFormatError(
            f"Model {self.spec.name!r} in {self.folder} is damaged: {what}; {remedy}."
        )


def open_model(folder: Path | str, *, is_bundled: bool = False) -> Model:
    """Return the model in a folder that need not be in a store.

    Raises
    ------
    FileFormatError
        The folder holds no model.
    """
    folder = Path(folder)
    if not (folder / SPEC_FILE).is_file():
        raise FileFormatError(f"{folder} holds no model: {SPEC_FILE} is missing.")
    return Model(ModelSpec.load(folder / SPEC_FILE), folder, is_bundled)


class ModelStore:
    """Models by name; the user's own come after those of napari-qpm.

    Parameters
    ----------
    bundled
        Folder of the models that napari-qpm brings; None = inside the package.
    user
        Folder of installed and adapted models; None = `user_models_folder`.
    """

    def __init__(self, bundled: Path | None = None, user: Path | None = None):
        package = Path(__file__).resolve().parents[1]
        self.bundled = Path(bundled) if bundled is not None else package / "models"
        self.user = Path(user) if user is not None else user_models_folder()

    # --- Reading -------------------------------------------------------------------

    def names(self, kind: str | None = None, modality: str | None = None) -> list[str]:
        """Return the names of readable models of a kind and for a modality."""
        return [spec.name for spec in self.specs(kind, modality)]

    def specs(
        self, kind: str | None = None, modality: str | None = None
    ) -> list[ModelSpec]:
        """Return the specs of readable models of a kind and for a modality."""
        return [
            model.spec
            for model in self.models()
            if kind in (None, model.spec.kind)
            and (modality is None or model.spec.modality in ("", modality))
        ]

    def models(self) -> list[Model]:
        """Return every model whose spec can be read, bundled ones first."""
        found = []
        for folder, is_bundled in self._folders().values():
            try:
                found.append(self._open(folder, is_bundled))
            except FileFormatError:
                continue
        return found

    def problems(self) -> dict[str, str]:
        """Return what is wrong with each model that cannot be used."""
        found = {}
        for name in self._folders():
            try:
                self.check(name)
            except QPMError as error:
                found[name] = str(error)
        return found

    def model(self, name: str) -> Model:
        """Return a model by name.

        Raises
        ------
        UnknownNameError
            There is none; the closest name is offered.
        FileFormatError
            It is damaged.
        """
        folders = self._folders()
        if name not in folders:
            raise UnknownNameError("model", name, folders)
        return self._open(*folders[name])

    def check(self, name: str) -> Model:
        """Return a model after reading all of its weights.

        Raises
        ------
        UnknownNameError
            There is none of this name.
        FileFormatError
            It is damaged.
        """
        model = self.model(name)
        model.weights()
        return model

    def _folders(self) -> dict[str, tuple[Path, bool]]:
        """Return folder and origin by name; a bundled model hides a user's."""
        found: dict[str, tuple[Path, bool]] = {}
        for place, is_bundled in ((self.bundled, True), (self.user, False)):
            for folder in _subfolders(place):
                found.setdefault(folder.name, (folder, is_bundled))
        return found

    def _open(self, folder: Path, is_bundled: bool) -> Model:
        model = open_model(folder, is_bundled=is_bundled)
        if model.spec.name != folder.name:
            raise FileFormatError(
                f"The model in {folder} calls itself {model.spec.name!r}; rename the "
                "folder, or install it under a new name."
            )
        return model

    # --- Changing ------------------------------------------------------------------

    def install(
        self, source: Path | str, name: str | None = None, *, overwrite: bool = False
    ) -> Model:
        """Copy a model from a folder or zip file among the user's; return it there.

        Parameters
        ----------
        source
            Folder of a model, or a zip file of one.
        name
            New name; None = its own.
        overwrite
            Replace a model of the user that has this name.

        Raises
        ------
        FileFormatError
            The source is no model, or is damaged.
        OutputError
            The name is taken, or the folder cannot be written.
        """
        with _as_folder(Path(source)) as folder:
            model = open_model(folder)
            model.weights()
            target = self.user / require_model_name(name or model.spec.name)
            self.require_free(target.name, overwrite=overwrite)
            try:
                self.user.mkdir(parents=True, exist_ok=True)
                part = Path(tempfile.mkdtemp(prefix=".install-", dir=self.user))
            except OSError as error:
                raise OutputError(
                    f"Models cannot be written to {self.user}: {error}. Set "
                    f"{USER_FOLDER_VARIABLE} to a folder of yours."
                ) from error
            try:
                for file in KEPT:
                    if (folder / file).is_file():
                        shutil.copyfile(folder / file, part / file)
                replace(model.spec, name=target.name).dump(part / SPEC_FILE)
                _put_in_place(part, target)
            except OSError as error:
                raise OutputError(f"{target} cannot be written: {error}.") from error
            finally:
                shutil.rmtree(part, ignore_errors=True)
        return self.model(target.name)

    def remove(self, name: str) -> None:
        """Delete a model of the user.

        Raises
        ------
        UnknownNameError
            There is none of this name.
        OutputError
            It came with napari-qpm, or cannot be deleted.
        """
        folders = self._folders()
        if name not in folders:
            raise UnknownNameError("model", name, folders)
        folder, is_bundled = folders[name]
        if is_bundled:
            raise OutputError(f"{name} comes with napari-qpm and stays.")
        try:
            trash = Path(tempfile.mkdtemp(prefix=".removed-", dir=folder.parent))
            os.replace(folder, trash / folder.name)
        except OSError as error:
            raise OutputError(f"{folder} cannot be deleted: {error}.") from error
        shutil.rmtree(trash, ignore_errors=True)

    def require_free(self, name: str, *, overwrite: bool = False) -> None:
        """Raise unless a model of the user can get this name.

        Raises
        ------
        OutputError
            A model that came with napari-qpm has it, or one of the user and `overwrite`
            is not set.
        """
        _, is_bundled = self._folders().get(name, (None, False))
        if is_bundled:
            raise OutputError(
                f"A model named {name} comes with napari-qpm. Install yours under "
                "another name."
            )
        if (self.user / name).exists() and not overwrite:
            raise OutputError(
                f"There is a model named {name} already. Give another name, or "
                "overwrite it."
            )


def _subfolders(place: Path) -> list[Path]:
    """Return the folders that hold a spec; hidden ones are unfinished."""
    try:
        return sorted(
            folder
            for folder in place.iterdir()
            if not folder.name.startswith(_HIDDEN) and (folder / SPEC_FILE).is_file()
        )
    except OSError:
        return []


def _put_in_place(part: Path, target: Path) -> None:
    """Give a finished folder its name; an earlier one stays until then."""
    earlier = target.with_name(f".replaced-{part.name.lstrip(_HIDDEN)}")
    had_earlier = target.exists()
    if had_earlier:
        os.replace(target, earlier)
    try:
        os.replace(part, target)
    except OSError:
        if had_earlier:
            os.replace(earlier, target)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


@contextmanager
def _as_folder(source: Path) -> Iterator[Path]:
    """Give the folder of a model; a zip file is unpacked for the moment."""
    if source.is_dir():
        yield source
        return
    if not source.is_file() or not zipfile.is_zipfile(source):
        raise FileFormatError(f"{source} is neither a model's folder nor a zip file.")
    with tempfile.TemporaryDirectory() as temporary:
        try:
            yield _unpack(source, Path(temporary))
        except (zipfile.BadZipFile, zlib.error) as error:
            raise FileFormatError(f"{source} is damaged: {error}.") from error


def _unpack(source: Path, folder: Path) -> Path:
    """Unpack the files of one model, wherever in the archive they lie."""
    with zipfile.ZipFile(source) as archive:
        members = {Path(m.filename): m for m in archive.infolist() if not m.is_dir()}
        specs = [path for path in members if path.name == SPEC_FILE]
        if len(specs) != 1:
            raise FileFormatError(f"{source} holds {len(specs)} models, not one.")
        inside = {file: members.get(specs[0].parent / file) for file in KEPT}
        if sum(m.file_size for m in inside.values() if m) > LARGEST_BYTES:
            raise FileFormatError(f"{source} is too large for a model.")
        for file, member in inside.items():
            if member is not None:
                with archive.open(member) as reader, (folder / file).open("wb") as out:
                    shutil.copyfileobj(reader, out)
    return folder
