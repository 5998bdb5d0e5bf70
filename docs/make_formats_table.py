"""Ask `napari-qpm info` about every format: `make_formats_table.py [DATA]`.

Writes the tables of formats.md, between its markers: one of the real recordings below
DATA (the shared data beside the project if absent), one of a corpus that is written for
it (tests/io/corpus.py), in each number type and byte order.
"""

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "io"))

import corpus  # noqa: E402 - from the tests

from napari_qpm.cli import main  # noqa: E402
from napari_qpm.io import is_ours, open_all  # noqa: E402
from napari_qpm.io.archive import ARCHIVE_SUFFIXES  # noqa: E402

PAGE = ROOT / "docs" / "formats.md"
NO_RECORDINGS = (".md", ".csv", ".txt")
OTHERS = "napari's"


def info(path: Path, modality: str | None = None) -> list[dict] | str:
    """Return what the command says of a path: records, or its error message."""
    command = ["info", str(path), "--json"]
    if modality:
        command += ["--modality", modality]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        main(command)
    answer = json.loads(said.getvalue().splitlines()[-1])
    return answer.get("recordings") or answer.get("message") or answer["error"]


def row(name: str, path: Path, modality: str | None, last: list[str]) -> list[str]:
    """Return the cells of one recording."""
    claimed = is_ours(path) or path.suffix.lower() in ARCHIVE_SUFFIXES
    reader = "ours" if claimed else OTHERS
    answer = info(path, modality)
    if isinstance(answer, str):
        message = answer.replace(f"{path.parent}/", "").replace("|", "/")
        told = message if path.suffix.lower() in ARCHIVE_SUFFIXES else ""
        told = told or message.partition(". ")[0]
        return [name, f"refused: {told}", "", "", reader, *last]
    record = answer[0]
    t, c, y, x = record["shape_tcyx"]
    opened = next(step for step in record["history"] if step["name"] == "open")
    kind = record["modality"] or "not recognised"
    several = f"{len(answer)} x " if len(answer) > 1 else ""
    size = f"{several}{t} x {c} x {y} x {x}"
    return [name, opened["engine"], kind, size, reader, record["dtype"], *last]


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def real_table(data: Path) -> str:
    rows = []
    for path in sorted(data.rglob("*")):
        skipped = path.suffix.lower() in NO_RECORDINGS or path.name.startswith(
            "LICENSE"
        )
        if path.is_file() and not skipped:
            rows.append(row(str(path.relative_to(data)), path, None, []))
    folder = data / "psi-fresnel-4frame"
    rows.append(row(f"{folder.name}/", folder, "phase-shifting", []))
    focus = data / "tie-cell-throughfocus" / "onaxis_stack_zyx.tif"
    name = f"{focus.relative_to(data)}, said to be through focus"
    rows.append(row(name, focus, "through-focus", []))
    head = ["file", "format", "kind", "T x C x Y x X", "drag and drop", "pixels"]
    return table(head, [line + [""] * (len(head) - len(line)) for line in rows])


def is_exact(sample: corpus.Sample) -> str:
    if sample.frames is None:
        return "not comparable"
    first = open_all(sample.path, modality=sample.modality)[0]
    same = first.shape == sample.frames.shape and all(
        np.array_equal(first.read(t), sample.frames[t]) for t in range(first.n_frames)
    )
    return "yes" if same else "NO"


def corpus_table() -> str:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for sample in corpus.write_corpus(Path(folder)):
            last = [sample.order, is_exact(sample)]
            line = row(sample.kind, sample.path, sample.modality, last)
            rows.append([line[0], line[5], line[6], *line[2:5], line[7]])
    head = ["format", "pixels", "byte order", "kind", "T x C x Y x X"]
    return table([*head, "drag and drop", "same pixels"], rows)


def replace(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n{content}\n{end}{after}"


if __name__ == "__main__":
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data"
    page = replace(PAGE.read_text("utf-8"), "real recordings", real_table(data))
    PAGE.write_text(replace(page, "corpus", corpus_table()), "utf-8")
