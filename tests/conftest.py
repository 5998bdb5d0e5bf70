"""Guards and data that every test shares.

No test reaches the network, leaves a job running, or depends on the shared recordings
being there: those tests skip with the reason.
"""

import importlib.util
import ipaddress
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PROJECT_ROOT = Path(__file__).resolve().parents[1]
JOB_THREAD_PREFIX = "qpm: "
JOB_GRACE_S = 5.0


class NetworkBlockedError(RuntimeError):
    """A test tried to leave this machine."""


def has_display() -> bool:
    """Return whether windows can be opened here."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # One window has the keyboard at a time; other files keep their fixtures.
        is_gui = item.path.is_relative_to(PROJECT_ROOT / "tests" / "viewer")
        group = "viewer" if is_gui else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    if has_display():
        return
    skip = pytest.mark.skip(reason="needs a display; run under xvfb-run")
    for item in items:
        if item.get_closest_marker("gui"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def project_root() -> Path:
    """Folder of pyproject.toml."""
    return PROJECT_ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real recordings beside the project (or named by QPM_SHARED_DATA)."""
    beside = PROJECT_ROOT.parent / "shared" / "data"
    folder = Path(os.environ.get("QPM_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.skip(
            f"the shared recordings are not at {folder} (set QPM_SHARED_DATA)",
            allow_module_level=True,
        )
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(20_260_101)


def is_local(family: int, kind: int, address: Any) -> bool:
    """Return whether connecting a socket to `address` stays on this machine.

    Connecting a datagram socket sends nothing; libraries do it to learn their own
    address, so that passes.
    """
    if family not in (socket.AF_INET, socket.AF_INET6) or kind == socket.SOCK_DGRAM:
        return True
    host = str(address[0])
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sockets reach this machine only."""
    for name in ("connect", "connect_ex"):
        original = getattr(socket.socket, name)

        def guarded(
            self: socket.socket, address: Any, _original: Any = original
        ) -> Any:
            if not is_local(self.family, self.type, address):
                raise NetworkBlockedError(f"A test tried to connect to {address}.")
            return _original(self, address)

        monkeypatch.setattr(socket.socket, name, guarded)


def running_jobs() -> list[threading.Thread]:
    """Return the threads of jobs that have not ended."""
    return [
        thread
        for thread in threading.enumerate()
        if thread.name.startswith(JOB_THREAD_PREFIX) and thread.is_alive()
    ]


@pytest.fixture(autouse=True)
def no_leaked_jobs() -> Iterator[None]:
    """Fail a test that leaves a job running; cancelled jobs get a moment to end."""
    before = set(running_jobs())
    yield
    deadline = time.monotonic() + JOB_GRACE_S
    for thread in set(running_jobs()) - before:
        thread.join(max(0.0, deadline - time.monotonic()))
    leaked = [thread.name for thread in set(running_jobs()) - before]
    if leaked:
        pytest.fail(f"jobs were left running: {', '.join(sorted(leaked))}")


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that holds "tiny": an untrained U-Net for holograms, for torch alone."""
    import safetensors.torch
    import torch

    from napari_qpm.runtime import ModelSpec
    from napari_qpm.runtime.architectures import make_network
    from napari_qpm.runtime.store import sha256_of

    folder = tmp_path_factory.mktemp("models") / "tiny"
    folder.mkdir()
    config = {"in_channels": 3, "width": 4, "range_rad": 12.0}
    torch.manual_seed(0)
    network = make_network("u-net", config)
    weights = folder / "weights.safetensors"
    safetensors.torch.save_file(network.state_dict(), weights)
    # The torch runtime does not read the graph; tracing one takes seconds.
    (folder / "graph.onnx").touch()
    ModelSpec(
        name="tiny",
        title="Tiny",
        kind="phase",
        architecture="u-net",
        modality="off-axis",
        config=config,
        preprocessing={"input": "heterodyne"},
        valid={"period_px": [2.2, 9.0], "phase_rad": [0.5, 12.0]},
        sha256=sha256_of(weights),
    ).dump(folder / "model.json")
    return folder.parent


@pytest.fixture
def tiny_models(tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the model "tiny" be the user's only one."""
    monkeypatch.setenv("NAPARI_QPM_MODELS", str(tiny_model_folder))
    return tiny_model_folder


def load_beside(path: Path) -> Any:
    """Return the module at `path`; tests are no package, so none can be imported."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def corpus() -> Any:
    """Return the module that writes a recording in every format."""
    return load_beside(PROJECT_ROOT / "tests" / "io" / "corpus.py")


@pytest.fixture(scope="session")
def micromanager() -> Any:
    """Return the module that writes files of Micro-Manager."""
    return load_beside(PROJECT_ROOT / "tests" / "io" / "micromanager_files.py")
