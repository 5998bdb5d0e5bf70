"""Many recordings with one pipeline; run it again and it continues where it stopped.

Usage: python batch.py RESULT_FOLDER RECORDING [RECORDING ...]

The same from a shell: napari-qpm run pipeline.yaml RECORDING ... -o RESULT_FOLDER
"""

import sys
from pathlib import Path

import napari_qpm as qpm
from napari_qpm.pipeline import EngineStep, run_batch

folder, *recordings = map(Path, sys.argv[1:])
pipeline = qpm.Pipeline(
    retrieve=EngineStep(parameters={"background": "quadratic"}),
    segment=EngineStep(engine="watershed"),
    measure={"alpha_ml_g": 0.19},
)
pipeline.dump(folder / "pipeline.yaml")
print(pipeline.describe())

batch = run_batch(pipeline, recordings, folder)
for result in batch.results:
    name, mass_pg = result.folder.name, result.table["dry_mass_pg"]
    print(f"{name}: {len(mass_pg)} rows, median {mass_pg.median():.0f} pg")
    for frame, problem in result.failures.items():
        print(f"  frame {frame}: {problem}")
if batch.failures:
    sys.exit(batch.describe_failures())
