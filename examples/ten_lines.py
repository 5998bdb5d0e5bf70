"""A raw recording becomes phase, cells and picograms: the ten lines of the README.

Usage: python ten_lines.py RECORDING RESULT_FOLDER
"""

import sys

import napari_qpm as qpm

recording = qpm.open(sys.argv[1])
phase = qpm.retrieve(recording)
labels = qpm.segment(phase)
table = qpm.measure(phase, labels)
qpm.save(sys.argv[2], phase, labels, table)

print(recording.name, recording.modality, phase.phase.shape)
print(table.groupby("frame")["dry_mass_pg"].agg(["count", "mean", "sum"]).round(1))
