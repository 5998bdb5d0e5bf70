import pytest

from napari_qpm.errors import FileFormatError, UnknownNameError
from napari_qpm.io.sidecar import find_sidecar, load_sidecar


@pytest.mark.parametrize("name", ["cells.qpm.yaml", "cells.ome.qpm.yaml"])
def test_a_sidecar_beside_a_file_is_found(tmp_path, name):
    (tmp_path / "cells.ome.tif").touch()
    (tmp_path / name).touch()
    assert find_sidecar(tmp_path / "cells.ome.tif") == tmp_path / name
    assert find_sidecar(tmp_path / "other.tif") is None


def test_a_sidecar_inside_or_beside_a_folder_is_found(tmp_path):
    folder = tmp_path / "run1"
    folder.mkdir()
    assert find_sidecar(folder) is None
    (folder / "folder.qpm.yaml").touch()
    assert find_sidecar(folder) == folder / "folder.qpm.yaml"
    (tmp_path / "run1.qpm.yaml").touch()
    assert find_sidecar(folder) == tmp_path / "run1.qpm.yaml"


def test_two_sidecars_in_a_folder_are_refused(tmp_path):
    (tmp_path / "a.qpm.yaml").touch()
    (tmp_path / "b.qpm.yaml").touch()
    with pytest.raises(FileFormatError, match=r"a\.qpm\.yaml, b\.qpm\.yaml"):
        find_sidecar(tmp_path)


def written(tmp_path, text):
    path = tmp_path / "cells.qpm.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_keys_are_sorted_into_their_places(tmp_path):
    sidecar = load_sidecar(
        written(
            tmp_path,
            "modality: off-axis\nreference: empty.tif\nname: 7\n"
            "wavelength_nm: 532\nmagnification:\n",
        )
    )
    assert sidecar.modality == "off-axis"
    assert sidecar.reference == tmp_path / "empty.tif"
    assert sidecar.name == "7"
    assert sidecar.instrument == {"wavelength_nm": 532}


def test_an_empty_sidecar_says_nothing(tmp_path):
    assert load_sidecar(written(tmp_path, "")).instrument == {}


def test_an_unknown_key_suggests_the_right_one(tmp_path):
    path = written(tmp_path, "wavelength: 532")
    with pytest.raises(UnknownNameError, match="Did you mean 'wavelength_nm'") as error:
        load_sidecar(path)
    assert "cells.qpm.yaml" in str(error.value)


def test_broken_yaml_names_file_and_line(tmp_path):
    path = written(tmp_path, "wavelength_nm: 532\nname: [")
    with pytest.raises(
        FileFormatError, match=r"cells\.qpm\.yaml is not valid .*line 2"
    ):
        load_sidecar(path)


def test_yaml_that_is_no_mapping_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match="holds a list, not 'key: value'"):
        load_sidecar(written(tmp_path, "- 532"))
