"""Raw mosaics of a polarization camera: growth of a culture over time.

Usage: python polarization_time_lapse.py RECORDING RESULT_FOLDER
"""

import sys

import numpy as np

import napari_qpm as qpm
from napari_qpm.retrieval import stabilise

recording = qpm.open(sys.argv[1], modality="polarization", handedness="positive")
missing = recording.missing()
if missing:
    sys.exit(f"Say these first: {missing}")

phase = stabilise(qpm.retrieve(recording, demosaicing="bicubic"))
labels = qpm.segment(phase)
table = qpm.measure(phase, labels)

mass_pg = table.groupby("time_s")["dry_mass_pg"].sum()
hours = mass_pg.index.to_numpy() / 3600
growth_per_h = np.polyfit(hours, np.log(mass_pg), 1)[0]
print(f"{mass_pg.iloc[0]:.0f} pg grow to {mass_pg.iloc[-1]:.0f} pg")
print(f"growth {growth_per_h:+.2%} per hour,", end=" ")
print(f"doubling in {np.log(2) / growth_per_h:.0f} h")
qpm.save(sys.argv[2], phase, labels, table)
