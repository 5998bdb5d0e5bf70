"""Damage recordings of every format, open them, and see that nothing worse than our
own error comes of it.

    python benchmarks/fuzz_readers.py --cases 20000 --seed 1 --report fuzz.json

Every case takes one recording of the corpus (tests/io/corpus.py), changes it at random
(bytes, numbers, length, text of metadata), opens it in a child process and reads its
first and last frame. A case fails when the child crashes, when it takes more than 10 s,
when memory grows by more than twice the file and a constant, or when anything but a
`QPMError` escapes. Case `k` of a seed is the same everywhere: ``--only k`` keeps it.
"""

import argparse
import contextlib
import json
import logging
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "io"))

LONGEST_S = 10.0
SPARE_BYTES = 1 << 30
"""Constant beside twice the file: frames up to 256 MiB may be decoded and copied."""
ADDRESS_SPACE = 6 << 30
BATCH = 200
NUMBERS = (0, 1, -1, 0x7FFFFFFF, 0x80000000, 0xFFFF, 0x10000, 0x7FFF, 255)
WORDS = (
    b"0",
    b"-1",
    b"1e999",
    b"NaN",
    b"9999999999",
    b'""',
    b"null",
    b"[]",
    b"{}",
    b"x",
)


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Return file content with one to three changes of random kinds."""
    broken = bytearray(data)
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        if not broken:
            break
        reach = min(len(broken), int(rng.choice([64, 600, 4000, len(broken)])))
        at = int(rng.integers(reach))
        match int(rng.integers(7)):
            case 0:
                broken[at] = int(rng.integers(256))
            case 1:
                broken[at] ^= 1 << int(rng.integers(8))
            case 2:
                del broken[int(rng.integers(len(broken))) :]
            case 3:
                value = int(rng.choice(NUMBERS)) & 0xFFFFFFFF
                order = "little" if rng.random() < 0.5 else "big"
                broken[at : at + 4] = value.to_bytes(4, order)
            case 4:
                _change_number(broken, rng)
            case 5:
                other = int(rng.integers(len(broken)))
                length = int(rng.integers(1, 64))
                broken[at : at + length] = broken[other : other + length]
            case _:
                del broken[at : at + int(rng.integers(1, 64))]
    return bytes(broken)


def _change_number(broken: bytearray, rng: np.random.Generator) -> None:
    """Replace a number that is written as text, as in XML, JSON and NPY headers."""
    starts = [
        k
        for k in range(1, min(len(broken), 20_000))
        if 48 <= broken[k] <= 57 and not 48 <= broken[k - 1] <= 57
    ]
    if not starts:
        return
    at = starts[int(rng.integers(len(starts)))]
    end = at
    while end < len(broken) and 48 <= broken[end] <= 57:
        end += 1
    word = WORDS[int(rng.integers(len(WORDS)))]
    broken[at:end] = word.ljust(end - at) if rng.random() < 0.5 else word


def prepare(original: Path, place: Path, rng: np.random.Generator) -> Path:
    """Return a damaged copy of a file or folder below `place`."""
    copy = place / original.name
    if original.is_file():
        beside = original.parent / "NDTiff.index"
        if beside.is_file() and rng.random() < 0.5:
            copy.write_bytes(original.read_bytes())
            copy.with_name(beside.name).write_bytes(damaged(beside.read_bytes(), rng))
            return copy
        if beside.is_file():
            shutil.copy(beside, place)
        copy.write_bytes(damaged(original.read_bytes(), rng))
        return copy
    shutil.copytree(original, copy)
    files = sorted(p for p in copy.rglob("*") if p.is_file())
    texts = [
        p for p in files if p.name in ("zarr.json", ".zattrs", ".zarray", ".zgroup")
    ]
    pool = texts if texts and rng.random() < 0.7 else files
    victim = pool[int(rng.integers(len(pool)))]
    if rng.random() < 0.1:
        victim.unlink()
    else:
        victim.write_bytes(damaged(victim.read_bytes(), rng))
    return copy


def attempt(path: Path, modality: str | None) -> str:
    """Open a recording and read from it; return what became of it."""
    from napari_qpm.errors import QPMError
    from napari_qpm.io import is_ours, open_all
    from napari_qpm.io.describe import describe

    is_ours(path)
    try:
        for acquisition in open_all(path, modality=modality)[:4]:
            describe(acquisition)
            acquisition.read(acquisition.n_frames - 1)
    except QPMError as error:
        return "refused" if str(error) else "refused without a word"
    return "opened"


def size_of(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def run_batch(samples: list, cases: list[int], seed: int, folder: str, pipe) -> None:
    """Run cases in this process, telling the parent of each begin and end."""
    warnings.simplefilter("ignore")
    logging.disable()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for case in cases:
        sample, rng = chosen(samples, case, seed)
        place = Path(folder) / str(case)
        place.mkdir()
        path = prepare(sample.path, place, rng)
        modality = sample.modality
        if rng.random() < 0.1:
            modality = str(rng.choice(["polarization", "through-focus", "phase"]))
        size = size_of(path)
        pipe.send(("begin", case, time.monotonic()))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        start = time.monotonic()
        try:
            outcome = attempt(path, modality)
        except BaseException as error:  # noqa: BLE001 - the run looks for anything
            trace = "".join(traceback.format_tb(error.__traceback__)[-3:])
            outcome = f"{type(error).__name__}: {error}\n{trace}"
        seconds = time.monotonic() - start
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
        if grown > 2 * size + SPARE_BYTES:
            outcome = f"memory grew by {grown >> 20} MiB for a file of {size} bytes"
        elif seconds > LONGEST_S and outcome in ("opened", "refused"):
            outcome = f"took {seconds:.1f} s"
        pipe.send(("end", case, outcome, seconds, grown))
        shutil.rmtree(place, ignore_errors=True)
    pipe.send(("done",))


def chosen(samples: list, case: int, seed: int) -> tuple:
    """Return the recording of a case and the random numbers that damage it."""
    sample = samples[case % len(samples)]
    return sample, np.random.default_rng([seed, case])


def watch(samples: list, cases: list[int], seed: int, folder: Path) -> dict[int, tuple]:
    """Run cases in children; a dead or hanging child costs its case only."""
    context = multiprocessing.get_context("fork")
    results: dict[int, tuple] = {}
    todo = list(cases)
    while todo:
        ours, theirs = context.Pipe(duplex=False)
        work = Path(tempfile.mkdtemp(dir=folder))
        arguments = (samples, todo, seed, str(work), theirs)
        child = context.Process(target=run_batch, args=arguments)
        child.start()
        theirs.close()
        running, problem = None, ""
        while True:
            # Twice the limit: a loaded machine may stop a child for seconds.
            if not ours.poll(2 * LONGEST_S + 10):
                problem = f"hung for more than {2 * LONGEST_S:.0f} s"
                break
            try:
                message = ours.recv()
            except EOFError:
                problem = "crashed"
                break
            if message[0] == "begin":
                running = message[1]
            elif message[0] == "end":
                results[message[1]], running = message[2:], None
            else:
                break
        if child.is_alive() and problem:
            child.kill()
        child.join()
        if problem and running is not None:
            text = f"{problem} (exit status {child.exitcode})"
            results[running] = (text, 0.0, 0)
        shutil.rmtree(work, ignore_errors=True)
        left = [case for case in todo if case not in results]
        if len(left) == len(todo):
            break
        todo = left
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="Repeat one case and keep its file.")
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()

    import corpus

    import napari_qpm.io.hdf5
    import napari_qpm.io.tiff
    import napari_qpm.io.zarr_reader  # noqa: F401 - loaded before the children fork

    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    samples = corpus.write_corpus(folder / "corpus", 64, 3)
    if options.only is not None:
        sample, rng = chosen(samples, options.only, options.seed)
        place = folder / "case"
        place.mkdir()
        print(sample.name, prepare(sample.path, place, rng))
        return
    start = time.monotonic()
    counts: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    failures: list[dict[str, object]] = []
    slowest, largest = 0.0, 0
    last = options.first + options.cases
    for begin in range(options.first, last, BATCH):
        batch = list(range(begin, min(begin + BATCH, last)))
        for case, (outcome, seconds, grown) in watch(
            samples, batch, options.seed, folder
        ).items():
            sample, _ = chosen(samples, case, options.seed)
            kinds[sample.kind] += 1
            slowest, largest = max(slowest, seconds), max(largest, grown)
            if outcome in ("opened", "refused"):
                counts[outcome] += 1
            else:
                counts["failed"] += 1
                failure = {"case": case, "sample": sample.name, "outcome": outcome}
                failures.append(failure)
        report = {
            "seed": options.seed,
            "cases": sum(counts.values()),
            **counts,
            "slowest_s": round(slowest, 2),
            "largest_growth_mib": largest >> 20,
            "seconds": round(time.monotonic() - start),
            "load": round(os.getloadavg()[0], 1),
            "cases_by_format": dict(sorted(kinds.items())),
            "failures": failures,
        }
        if options.report:
            options.report.write_text(json.dumps(report, indent=2))
    with contextlib.suppress(OSError):
        shutil.rmtree(folder)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
