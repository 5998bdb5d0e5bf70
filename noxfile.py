"""Everything a developer runs: `nox -s demo`, `tests`, `lint`, `docs`, `bench`.

Each session makes its own virtual environment, so a bare machine needs Python and nox
only. pip's own settings (mirrors, certificates) are used as they are.
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["lint", "tests"]
nox.options.reuse_venv = "yes"

CONSTRAINTS = os.environ.get("QPM_CONSTRAINTS", "constraints/ci.txt")
QT = os.environ.get("QPM_QT", "pyqt6")
SCREEN = "-screen 0 1600x1000x24"

# Shared libraries that Qt and vispy load, and the Debian package that holds each.
SYSTEM_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libOpenGL.so.0": "libopengl0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
DISPLAY_PROGRAMS = {"xvfb-run": "xvfb", "Xvfb": "xvfb", "xauth": "xauth"}


@nox.session
def demo(session: nox.Session) -> None:
    """Set everything up and do the main job on a bundled sample."""
    provide_system_packages(session, needs_display=False)
    install(session, QT)
    session.run("napari-qpm", "demo", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Set everything up and pass the tests."""
    provide_system_packages(session, needs_display=True)
    install(session, QT, "test")
    # They read our files back, and need nothing for it beyond what we have: without
    # their dependencies no FFTW comes along.
    session.install("--no-deps", *pins(), "qpimage", "nd2")
    # Two processes halve the time; more would not, since one runs all windows.
    run = ["python", "-m", "pytest", "-n2", "--dist=loadgroup", *session.posargs]
    environment = {"MPLBACKEND": "Agg", "PYTEST_QT_API": QT, "OMP_NUM_THREADS": "1"}
    if needs_virtual_display():
        run = ["xvfb-run", "-a", "-s", SCREEN, *run]
    session.run(*run, env=environment, external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, the import contract and the plugin manifest."""
    install(session, QT, "test", "dev")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")
    session.run("npe2", "validate", "src/napari_qpm/napari.yaml")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the pages in docs/ into docs/_build; every warning is an error."""
    install(session, "docs")
    # All pages anew: unchanged ones would keep an old contents and hide their warnings.
    build = ["python", "-m", "sphinx", "-W", "-E", "-a", "-b", "html"]
    session.run(*build, *session.posargs, "docs", "docs/_build")
    session.log("Open docs/_build/index.html")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speed and accuracy against the named peers."""
    provide_system_packages(session, needs_display=True)
    install(session, QT, "test")
    for script in sorted(Path("benchmarks").glob("bench_*.py")):
        session.log("Running %s", script.name)
        run = ["python", str(script), *session.posargs]
        if needs_virtual_display():
            run = ["xvfb-run", "-a", "-s", SCREEN, *run]
        session.run(*run, external=True)


def install(session: nox.Session, *extras: str) -> None:
    """Install the package with its extras, at the tested versions."""
    # An environment that is reused can hold another binding from an earlier run.
    session.env["QT_API"] = QT
    session.install(*pins(), f".[{','.join(extras)}]")


def pins() -> list[str]:
    """Return pip's options for the tested versions."""
    return ["-c", CONSTRAINTS] if CONSTRAINTS else []


def needs_virtual_display() -> bool:
    """Return whether windows need a virtual screen here."""
    has_display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.platform == "linux" and not has_display


def provide_system_packages(session: nox.Session, needs_display: bool) -> None:
    """Install missing X and GL libraries on Debian-like systems, or name them."""
    packages = missing_system_packages(needs_display)
    if not packages:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    prefix = administrator_prefix()
    if prefix is not None and shutil.which("apt-get"):
        session.log("Installing system packages: %s", " ".join(packages))
        unattended = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        quiet = {"env": unattended, "stdin": subprocess.DEVNULL}
        subprocess.run([*prefix, "apt-get", "update", "-q"], check=False, **quiet)
        subprocess.run([*prefix, *command], check=False, **quiet)
        packages = missing_system_packages(needs_display)
    if not packages:
        return
    message = (
        f"Windows need these system packages: {' '.join(packages)} (Debian names). "
        f"Install them: sudo {' '.join(command)}"
    )
    if needs_display:
        session.error(message)
    session.warn(message)


def missing_system_packages(needs_display: bool) -> list[str]:
    """Return the Debian packages whose libraries or programs are not found."""
    if platform.system() != "Linux" or not shutil.which("ldconfig", path=search_path()):
        return []
    listing = subprocess.run(
        [shutil.which("ldconfig", path=search_path()), "-p"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    known = {line.split()[0] for line in listing.splitlines() if "=>" in line}
    missing = {name for lib, name in SYSTEM_LIBRARIES.items() if lib not in known}
    if needs_display and needs_virtual_display():
        programs = DISPLAY_PROGRAMS.items()
        missing |= {name for program, name in programs if not shutil.which(program)}
    return sorted(missing)


def search_path() -> str:
    """Return PATH with the folders that ordinary users may lack."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def administrator_prefix() -> list[str] | None:
    """Return what to put before a command to run it as administrator, if we may."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo is None:
        return None
    may = subprocess.run([sudo, "-n", "true"], capture_output=True, check=False)
    return [sudo, "-n"] if may.returncode == 0 else None
