from pathlib import Path

import pytest

from napari_qpm.errors import FileFormatError, OutputError, ParameterError
from napari_qpm.pipeline import EngineStep, Pipeline


def written(folder: Path, text: str) -> Path:
    path = folder / "experiment.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_dumped_pipeline_loads_equal(tmp_path: Path) -> None:
    pipeline = Pipeline(
        modality="off-axis",
        instrument={"wavelength_nm": 633.0, "sideband_cycles_per_px": [0.1, 0.2]},
        retrieve=EngineStep(engine="fourier", parameters={"background": "tilt"}),
        measure=None,
    )
    path = pipeline.dump(tmp_path / "new folder" / "pipeline.yaml")
    assert Pipeline.load(path) == pipeline


def test_short_file_takes_defaults_for_the_rest(tmp_path: Path) -> None:
    path = written(tmp_path, "instrument:\n  wavelength_nm: 633\n")
    assert Pipeline.load(path) == Pipeline(instrument={"wavelength_nm": 633})


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("stabilise: true\nretreive: {}\n", 2, "Did you mean 'retrieve'"),
        (
            "retrieve:\n  engine: fourier\n  parameters:\n    backgruond: tilt\n",
            4,
            "Did you mean 'background'",
        ),
        (
            "retrieve:\n  engine: fourier\n  parameters:\n    background_order: 99\n",
            4,
            "less than or equal to 8",
        ),
        ("instrument:\n  wavelength_nm: red\n", 2, "is a positive number, not 'red'"),
        ("segment: null\nmeasure: {}\n", 2, "nothing to measure"),
        ("measure: {}\nsegment: {}\nsegment: {}\n", 3, "segment is given twice"),
        ("retrieve: [1,\nmeasure: }\n", 2, "not valid YAML"),
    ],
)
def test_mistake_names_file_and_line(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ParameterError) as caught:
        Pipeline.load(path)
    assert f"experiment.yaml, line {line}:" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(("text", "found"), [("", "nothing"), ("- a\n", "list")])
def test_file_that_is_no_pipeline_says_so(
    tmp_path: Path, text: str, found: str
) -> None:
    with pytest.raises(ParameterError, match=f"not {found}"):
        Pipeline.load(written(tmp_path, text))


def test_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"absent\.yaml cannot be read"):
        Pipeline.load(tmp_path / "absent.yaml")


def test_file_that_is_no_text_says_so(tmp_path: Path) -> None:
    path = tmp_path / "image.yaml"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(FileFormatError, match="it is not text"):
        Pipeline.load(path)


def test_dump_where_a_file_stands_in_the_way_is_an_output_error(
    tmp_path: Path,
) -> None:
    blocker = tmp_path / "folder"
    blocker.write_text("a file")
    with pytest.raises(OutputError, match="folder"):
        Pipeline().dump(blocker / "pipeline.yaml")


def test_failed_dump_keeps_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Pipeline().dump(tmp_path / "pipeline.yaml")
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_qpm.files.os.fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        Pipeline(stabilise=False).dump(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
