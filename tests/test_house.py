"""The house stays in order: imports, packaging, style and what is committed."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import napari_qpm

HEAVY = (
    "PyQt6",
    "PySide6",
    "dask",
    "distributed",
    "magicgui",
    "matplotlib",
    "napari",
    "numba",
    "onnxruntime",
    "pandas",
    "pydantic",
    "qtpy",
    "skimage",
    "torch",
    "zarr",
)
DISTRIBUTION_OF = {
    "PIL": "pillow",
    "distributed": "dask",
    "skimage": "scikit-image",
    "yaml": "pyyaml",
}
"""``dask[distributed]`` is how distributed is declared."""
MAX_LINES = 600


def python(*arguments: str, cwd: Path | None = None) -> str:
    """Return what a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(project_root: Path) -> dict:
    return tomllib.loads((project_root / "pyproject.toml").read_text("utf-8"))


def sources(project_root: Path) -> list[Path]:
    return sorted((project_root / "src" / "napari_qpm").rglob("*.py"))


# --- Imports -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("napari_qpm", ()),
        ("napari_qpm.acquisition", ()),
        ("napari_qpm.jobs", ()),
        ("napari_qpm.registry", ()),
        ("napari_qpm.runtime", ()),
        ("napari_qpm.physics", ("torch",)),
        ("napari_qpm.specimens", ()),
    ],
)
def test_import_loads_nothing_heavy(module, allowed):
    loaded = python("-c", f"import sys, {module}; print(*sys.modules)").split()
    assert set(HEAVY) & set(loaded) <= set(allowed)


@pytest.mark.parametrize(
    "module",
    ["io", "retrieval", "segmentation", "measurement", "checks", "pipeline", "cli"],
)
def test_rooms_load_neither_viewer_nor_networks(module):
    code = f"import sys, napari_qpm.{module}; print(*sys.modules)"
    loaded = set(python("-c", code).split())
    assert not loaded & {"PyQt6", "PySide6", "qtpy", "napari", "torch", "matplotlib"}


def test_public_names_load_from_their_rooms():
    for name in napari_qpm.__all__:
        assert getattr(napari_qpm, name) is not None
    assert re.match(r"\d+\.\d+", napari_qpm.__version__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        napari_qpm.nothing  # noqa: B018 - the access is the test


def test_import_contract_holds(project_root):
    code = "from importlinter.cli import lint_imports_command as check; check()"
    python("-c", code, cwd=project_root)


def test_third_party_imports_are_declared(project_root, project):
    declared = {
        Requirement(line).name.lower() for line in project["project"]["dependencies"]
    }
    undeclared = {}
    for path in sources(project_root):
        for name in imported_packages(path) - set(sys.stdlib_module_names):
            distribution = DISTRIBUTION_OF.get(name, name).lower().replace("_", "-")
            if name != "napari_qpm" and distribution not in declared:
                undeclared.setdefault(distribution, path.name)
    assert not undeclared


def imported_packages(path: Path) -> set[str]:
    """Return the top-level packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module).partition(".")[0])
    return found


# --- Packaging ---------------------------------------------------------------------


def test_links_lead_to_the_files_in_the_package(project_root):
    package = project_root / "src" / "napari_qpm"
    for name in ("napari.yaml", "models"):
        assert (project_root / name).samefile(package / name)


@pytest.fixture(scope="module")
def built(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    python("-m", "hatchling", "build", "-d", str(folder), cwd=project_root)
    return folder


def wheel_files(build: dict) -> dict[str, str]:
    return build["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]


def test_wheel_holds_manifest_models_help_and_the_command(built, project_root):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry_points,) = (n for n in names if n.endswith("entry_points.txt"))
        entries = archive.read(entry_points).decode()
    assert {
        "napari_qpm/napari.yaml",
        "napari_qpm/models/README.md",
        "napari_qpm/py.typed",
        "napari_qpm/specimens/samples.py",
    } <= names
    source = project_root / "src"
    models = (source / "napari_qpm" / "models").glob("*/*")
    assert {one.relative_to(source).as_posix() for one in models} <= names
    # What `viewer/help_pages.py` shows; its test compares the list with its pages.
    build = tomllib.loads((project_root / "pyproject.toml").read_text("utf-8"))
    assert set(wheel_files(build).values()) <= names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "napari_qpm"
    }
    assert "napari-qpm = napari_qpm.cli:main" in entries
    assert "napari-qpm = napari_qpm:napari.yaml" in entries


def test_source_distribution_builds_the_same_wheel(built, tmp_path):
    (archive,) = built.glob("*.tar.gz")
    # Python 3.11 knows extraction filters from its fourth patch on only.
    python("-m", "tarfile", "-e", str(archive), str(tmp_path), cwd=tmp_path)
    (folder,) = tmp_path.iterdir()
    package = folder / "src" / "napari_qpm"
    assert (package / "napari.yaml").is_file()
    assert (package / "models" / "README.md").is_file()
    python("-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=folder)
    (again,) = tmp_path.glob("*.whl")
    (first,) = built.glob("*.whl")
    names = [sorted(zipfile.ZipFile(wheel).namelist()) for wheel in (again, first)]
    assert names[0] == names[1]


# --- Style -------------------------------------------------------------------------


def test_nothing_prints(project_root):
    printing = [
        f"{path.name}:{node.lineno}"
        for path in sources(project_root)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert not printing


def test_files_stay_readable(project_root):
    long = {
        path.name: n_lines
        for path in (*sources(project_root), *(project_root / "tests").rglob("*.py"))
        if (n_lines := len(path.read_text("utf-8").splitlines())) > MAX_LINES
    }
    assert not long


# --- What is committed -------------------------------------------------------------

MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:home|opt|root|work|Users)/\w")
PACKAGE_INDEX = re.compile(
    r"python[h]osted|/simple\b|artifactory|--(?:extra-)?index-url"
)


@pytest.fixture(scope="module")
def tracked(project_root: Path) -> list[Path]:
    if not (project_root / ".git").exists():
        pytest.skip("not a git checkout")
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=project_root, capture_output=True, check=True
    ).stdout.decode()
    paths = [project_root / name for name in listing.split("\0") if name]
    return [path for path in paths if path.is_file()]


@pytest.mark.parametrize("pattern", [MACHINE_PATH, PACKAGE_INDEX])
def test_no_machine_or_package_index_is_committed(tracked, project_root, pattern):
    found = []
    for path in tracked:
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        if path != Path(__file__).resolve() and (match := pattern.search(text)):
            found.append(f"{path.relative_to(project_root)}: {match.group()}")
    assert not found


def test_constraints_hold_versions_only(project_root):
    for path in (project_root / "constraints").glob("*.txt"):
        for line in path.read_text("utf-8").splitlines():
            assert re.fullmatch(r"#.*|[\w.-]+==[\w.!]+", line), f"{path.name}: {line}"


def test_constraints_meet_the_requirements(project_root, project):
    pins = dict(
        line.lower().split("==")
        for line in (project_root / "constraints" / "ci.txt").read_text().splitlines()
        if "==" in line
    )
    extras = project["project"]["optional-dependencies"].values()
    for line in chain(project["project"]["dependencies"], *extras):
        requirement = Requirement(line)
        pin = pins.get(requirement.name.lower())
        assert pin, f"{requirement.name} is not pinned"
        assert requirement.specifier.contains(pin), f"{requirement} but {pin}"


def test_citation_names_this_version(project_root, project):
    citation = yaml.safe_load((project_root / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert str(citation["version"]) == project["project"]["version"]
    assert citation["license"] == project["project"]["license"]
    changes = (project_root / "CHANGELOG.md").read_text("utf-8")
    assert f"## {citation['version']}" in changes


def test_workflow_actions_are_pinned_by_commit(project_root):
    text = (project_root / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    assert yaml.safe_load(text)["jobs"]
    actions = re.findall(r"uses: (\S+)", text)
    assert actions
    for action in actions:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)
