import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from napari_qpm.errors import FileFormatError, OutputError, UnknownNameError
from napari_qpm.runtime import ModelStore, open_model, user_models_folder
from napari_qpm.runtime.store import USER_FOLDER_VARIABLE, sha256_of


@pytest.fixture
def store(tmp_path: Path, make_folder) -> ModelStore:
    """One bundled model for holograms, one of the user for anything."""
    make_folder(tmp_path / "bundled", "first")
    make_folder(tmp_path / "user", "second", modality="", kind="segmentation")
    return ModelStore(tmp_path / "bundled", tmp_path / "user")


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# --- Reading -----------------------------------------------------------------------


def test_models_are_listed_by_kind_and_modality_bundled_first(store):
    assert store.names() == ["first", "second"]
    assert store.names(kind="phase") == ["first"]
    assert store.names(modality="polarization") == ["second"]
    assert [model.is_bundled for model in store.models()] == [True, False]


def test_unknown_name_offers_the_closest(store):
    with pytest.raises(UnknownNameError, match="Did you mean 'second'"):
        store.model("secnod")


def test_store_without_folders_is_empty(tmp_path):
    store = ModelStore(tmp_path / "none", tmp_path / "neither")
    assert store.names() == []
    assert store.problems() == {}


def test_half_precision_becomes_single_and_the_rest_stays(store):
    weights = store.model("first").weights()
    assert weights["kernel"].dtype == weights["scale"].dtype == np.float32
    assert weights["scale"][0] == np.float32(1e-9)
    assert weights["count"] == 7
    assert set(store.model("first").graph_weights()) == {"kernel", "scale"}


def test_bundled_model_hides_one_of_the_user(store, make_folder):
    make_folder(store.user, "first", title="Mine")
    assert store.model("first").is_bundled


def test_user_folder_is_named_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv(USER_FOLDER_VARIABLE, str(tmp_path))
    assert user_models_folder() == tmp_path
    assert ModelStore().user == tmp_path
    monkeypatch.delenv(USER_FOLDER_VARIABLE)
    assert user_models_folder().parts[-2:] == ("napari-qpm", "models")


# --- Damage ------------------------------------------------------------------------


def test_truncated_weights_are_refused(store):
    path = store.model("second").weights_path
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(FileFormatError, match=r"second.*another hash.*install it"):
        store.check("second")


def test_weights_that_fit_the_hash_but_are_no_weights_are_refused(store):
    folder = store.user / "second"
    (folder / "weights.safetensors").write_bytes(b"nonsense")
    values = json.loads((folder / "model.json").read_text())
    values["sha256"] = sha256_of(folder / "weights.safetensors")
    (folder / "model.json").write_text(json.dumps(values))
    with pytest.raises(FileFormatError, match=r"damaged: .*install it again"):
        store.check("second")


def test_hash_is_checked_again_when_the_file_changes(store):
    model = store.check("second")
    path = model.weights_path
    path.write_bytes(path.read_bytes()[::-1])
    later = path.stat().st_mtime + 5
    os.utime(path, (later, later))
    with pytest.raises(FileFormatError, match="another hash"):
        model.weights()


@pytest.mark.parametrize("missing", ["graph.onnx", "weights.safetensors"])
def test_missing_file_is_named(store, missing):
    (store.user / "second" / missing).unlink()
    with pytest.raises(FileFormatError, match=f"{missing} missing"):
        store.check("second")


def test_newer_format_is_named_and_hides_nothing_else(store):
    path = store.user / "second" / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 9}))
    with pytest.raises(FileFormatError, match="made by a newer napari-qpm"):
        store.model("second")
    assert store.names() == ["first"]
    assert "newer" in store.problems()["second"]


def test_renamed_folder_is_named(store):
    (store.user / "second").rename(store.user / "third")
    with pytest.raises(FileFormatError, match="calls itself 'second'"):
        store.model("third")


def test_folder_without_spec_is_no_model(tmp_path):
    with pytest.raises(FileFormatError, match=r"model\.json is missing"):
        open_model(tmp_path)


# --- Installing --------------------------------------------------------------------


def test_installed_folder_is_the_same_model(store, make_folder, tmp_path):
    source = make_folder(tmp_path / "source", "third")
    model = store.install(source)
    assert model.folder == store.user / "third"
    assert contents(model.folder).keys() == contents(source).keys()
    assert np.array_equal(
        model.weights()["kernel"], open_model(source).weights()["kernel"]
    )


def test_installed_under_another_name_it_has_that_name(store, make_folder, tmp_path):
    model = store.install(make_folder(tmp_path / "source", "third"), "fourth")
    assert model.spec.name == "fourth"
    assert store.names() == ["first", "fourth", "second"]


def test_zip_file_is_installed_wherever_the_model_lies_in_it(
    store, make_folder, tmp_path
):
    folder = make_folder(tmp_path / "source" / "deep", "third")
    archive = shutil.make_archive(
        str(tmp_path / "model"), "zip", tmp_path / "source", "."
    )
    assert store.install(archive).spec == open_model(folder).spec


@pytest.mark.parametrize("kind", ["text", "empty zip", "cut zip", "nothing"])
def test_what_is_no_model_is_not_installed(kind, store, make_folder, tmp_path):
    source = tmp_path / "source.zip"
    if kind == "text":
        source.write_text("hello")
    elif kind == "empty zip":
        zipfile.ZipFile(source, "w").close()
    elif kind == "cut zip":
        folder = make_folder(tmp_path / "s", "third")
        shutil.make_archive(str(source.with_suffix("")), "zip", folder)
        whole = source.read_bytes()
        source.write_bytes(whole[:100] + b"x" * 40 + whole[140:])
    before = contents(store.user)
    with pytest.raises(FileFormatError):
        store.install(source)
    assert contents(store.user) == before


def test_archive_cannot_write_elsewhere(store, make_folder, tmp_path):
    folder = make_folder(tmp_path / "s", "third")
    source = tmp_path / "evil.zip"
    with zipfile.ZipFile(source, "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"third/{path.name}")
        archive.writestr("../../outside.txt", "evil")
        archive.writestr("third/extra.py", "evil")
    model = store.install(source)
    assert not (model.folder / "extra.py").exists()
    assert not list(tmp_path.rglob("outside.txt"))


def test_damaged_source_is_not_installed(store, make_folder, tmp_path):
    source = make_folder(tmp_path / "source", "third", sha256="0" * 64)
    with pytest.raises(FileFormatError, match="another hash"):
        store.install(source)
    assert not (store.user / "third").exists()


def test_taken_names_are_refused_unless_overwritten(store, make_folder, tmp_path):
    source = make_folder(tmp_path / "source", "second", title="New")
    with pytest.raises(OutputError, match="model named second already"):
        store.install(source)
    with pytest.raises(OutputError, match="comes with napari-qpm"):
        store.install(source, "first", overwrite=True)
    assert store.install(source, overwrite=True).spec.title == "New"
    assert store.names() == ["first", "second"]
    assert not [p for p in store.user.iterdir() if p.name.startswith(".")]


def test_install_that_dies_half_way_leaves_nothing(
    store, make_folder, tmp_path, monkeypatch
):
    source = make_folder(tmp_path / "source", "second", title="New")
    before = contents(store.user)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_qpm.runtime.store._put_in_place", dies)
    with pytest.raises(KeyboardInterrupt):
        store.install(source, overwrite=True)
    assert contents(store.user) == before


def test_rest_of_a_killed_install_is_no_model(store, make_folder):
    make_folder(store.user, "third")
    (store.user / "third").rename(store.user / ".install-abc")
    assert store.names() == ["first", "second"]


def test_full_disk_keeps_the_earlier_model(store, make_folder, tmp_path, monkeypatch):
    source = make_folder(tmp_path / "source", "second", title="New")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_qpm.runtime.store.shutil.copyfile", full)
    with pytest.raises(OutputError, match="No space left"):
        store.install(source, overwrite=True)
    assert store.model("second").spec.title == "Second"


def test_folder_that_cannot_be_made_is_named(make_folder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    store = ModelStore(tmp_path / "bundled", tmp_path / "file" / "models")
    source = make_folder(tmp_path / "source", "third")
    with pytest.raises(OutputError, match=USER_FOLDER_VARIABLE):
        store.install(source)


# --- Removing ----------------------------------------------------------------------


def test_removed_model_is_gone(store):
    store.remove("second")
    assert store.names() == ["first"]
    assert list(store.user.iterdir()) == []


def test_bundled_and_unknown_models_are_not_removed(store):
    with pytest.raises(OutputError, match="comes with napari-qpm"):
        store.remove("first")
    with pytest.raises(UnknownNameError):
        store.remove("third")
    assert store.names() == ["first", "second"]


def test_damaged_model_can_be_removed(store):
    (store.user / "second" / "graph.onnx").unlink()
    store.remove("second")
    assert store.names() == ["first"]
