"""What made a set of weights: code, versions, machine."""

import subprocess
from pathlib import Path
from typing import Any

import torch

from napari_qpm.provenance import versions
from napari_qpm.training.devices import describe_device

__all__ = ["git_revision", "origin"]


def git_revision() -> str | None:
    """Return the commit of this source tree, ``+`` behind it if changed, or None."""
    folder = Path(__file__).resolve().parent
    revision = _git(folder, "rev-parse", "HEAD")
    if not revision:
        return None
    return revision + ("+" if _git(folder, "status", "--porcelain", "--", ".") else "")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def origin(device: torch.device) -> dict[str, Any]:
    """Return code, versions and device of this run."""
    return {
        "git_revision": git_revision(),
        "versions": versions() | {"torch": str(torch.__version__)},
        "device": describe_device(device),
    }
