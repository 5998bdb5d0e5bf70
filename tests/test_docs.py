"""Pages say what is so: links, tests, commands and snippets that they name exist."""

import ast
import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import typer

import napari_qpm
from napari_qpm.cli import app
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import PHASE_ENGINES
from napari_qpm.segmentation import SEGMENTATION_ENGINES
from napari_qpm.specimens import simulate, write_sample

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
N_POINTS = 34


@pytest.fixture(scope="module")
def docs(project_root: Path) -> Path:
    return project_root / "docs"


def pages(docs: Path) -> list[Path]:
    return [docs.parent / "README.md", *sorted(docs.glob("*.md"))]


def snippets(docs: Path, *languages: str) -> list[tuple[str, str]]:
    return [
        (path.name, code)
        for path in pages(docs)
        for language, code in FENCE.findall(path.read_text("utf-8"))
        if language in languages
    ]


@pytest.fixture(scope="module")
def reference(docs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of generated pages."""
    spec = importlib.util.spec_from_file_location("make", docs / "make_reference.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    folder = tmp_path_factory.mktemp("docs") / "reference"
    make.write_reference(folder)
    return folder


# --- What pages name ---------------------------------------------------------------


def test_pictures_and_links_exist(docs, reference):
    missing = []
    for path in pages(docs):
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text("utf-8")):
            place = path.parent / target
            if target.startswith("reference/"):
                place = reference.parent / target
            if "://" not in target and not place.exists():
                missing.append(f"{path.name}: {target}")
    assert not missing


def test_every_picture_has_words_for_those_who_cannot_see_it(docs):
    silent = [path.name for path in pages(docs) if "![](" in path.read_text("utf-8")]
    assert not silent


def test_tests_that_pages_name_exist(docs, project_root):
    unknown = []
    for path in pages(docs):
        named = re.findall(r"\btests/[\w/]+\.py(?:::\w+)?", path.read_text("utf-8"))
        unknown += [name for name in named if not is_test(project_root, name)]
    assert not unknown


def is_test(project_root: Path, name: str) -> bool:
    place, _, function = name.partition("::")
    if not (project_root / place).is_file():
        return False
    tree = ast.parse((project_root / place).read_text("utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return not function or function in defined


def test_the_checklist_answers_every_point_with_a_test(docs):
    text = (docs / "checklist.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| (.+) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    assert [int(row[0]) for row in rows] == list(range(1, N_POINTS + 1))
    words = ("yes", "partly", "not yet", "does not apply")
    assert all(verdict.startswith(words) for _, _, verdict, _ in rows)
    assert all("tests/" in shown for *_, shown in rows)


# --- Commands ----------------------------------------------------------------------


def command_lines(docs: Path) -> list[str]:
    found = []
    for path in pages(docs):
        text = path.read_text("utf-8").replace("\\\n", " ")
        found += re.findall(r"^napari-qpm [^#\n]+", text, re.MULTILINE)
    return found


def test_commands_of_pages_exist_with_their_options(docs):
    lines = command_lines(docs)
    assert len(lines) > 20
    for line in lines:
        words = shlex.split(line)[1:]
        command = typer.main.get_command(app)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert not hasattr(command, "commands"), line
        if command.name == "train":
            # Its options are those of the training program.
            continue
        known = {name for one in command.params for name in one.opts}
        known |= {name for one in command.params for name in one.secondary_opts}
        options = [word.partition("=")[0] for word in words if word.startswith("-")]
        assert set(options) <= known | {"--help"}, line


def test_reference_lists_every_command_engine_and_public_name(reference):
    commands = (reference / "command-line.md").read_text("utf-8")
    for name in typer.main.get_command(app).commands:
        assert f"## `napari-qpm {name}`" in commands
    assert "--time-budget" in commands
    engines = (reference / "engine-parameters.md").read_text("utf-8")
    for registry in (PHASE_ENGINES, SEGMENTATION_ENGINES):
        for entry in registry:
            assert f"(`{entry.name}`)" in engines
            for parameter in entry.load().Parameters.model_fields:
                assert f"| `{parameter}` |" in engines
    python = (reference / "python.md").read_text("utf-8")
    for name in napari_qpm.__all__:
        assert f":: napari_qpm.{name}\n" in python


def test_reference_pages_are_all_in_the_contents(docs, reference):
    listed = (docs / "index.md").read_text("utf-8")
    listed += (reference / "python.md").read_text("utf-8")
    for path in reference.glob("*.md"):
        assert re.search(rf"^(reference/)?{path.stem}$", listed, re.MULTILINE)


# --- Snippets ----------------------------------------------------------------------

RUN = (
    "add-an-engine",
    "checks",
    "copy-as-python",
    "dry-mass",
    "many-fields",
    "off-axis",
    "polarization-camera",
)
"""Pages whose Python is cheap enough to run here."""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that snippets open."""
    folder = tmp_path_factory.mktemp("snippets")
    for name, kind in (("mosaic", "polarization"), ("hologram", "off-axis")):
        sample = simulate(kind, n_frames=1, shape=(192, 192), n_cells=1)
        frames = write_sample(sample, folder / name)
        frames.rename(folder / f"{name}.tif")
    (empty,) = (folder / "hologram").glob("*.reference.tif")
    empty.rename(folder / "reference.tif")
    (folder / "plate").mkdir()
    (folder / "plate" / "a.tif").write_bytes((folder / "hologram.tif").read_bytes())
    return folder


def test_all_python_of_pages_can_be_parsed(docs):
    found = snippets(docs, "python")
    assert len(found) >= len(RUN)
    for name, code in found:
        compile(code, name, "exec")


def test_the_pipeline_file_of_the_page_is_valid(docs, tmp_path):
    ((_, text),) = [one for one in snippets(docs, "yaml") if "retrieve:" in one[1]]
    (tmp_path / "pipeline.yaml").write_text(text)
    pipeline = napari_qpm.Pipeline.load(tmp_path / "pipeline.yaml")
    assert pipeline.link == {"max_gap": 2}


@pytest.mark.parametrize("page", RUN)
def test_python_of_pages_runs(docs, recordings, monkeypatch, page):
    monkeypatch.chdir(recordings)
    pipeline = [code for _, code in snippets(docs, "yaml") if "retrieve:" in code]
    Path("pipeline.yaml").write_text(pipeline[0])
    names = {}
    for name, code in snippets(docs, "python"):
        if name == f"{page}.md":
            exec(compile(code, name, "exec"), names)
    engine = names.get("OtsuEngine")
    if engine is not None:
        phase = napari_qpm.retrieve(napari_qpm.open("hologram.tif"))
        assert engine().segment(phase, CancelToken()).max() >= 1
    assert names
