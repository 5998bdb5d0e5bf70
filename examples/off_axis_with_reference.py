"""An off-axis hologram, cleared of the microscope's own aberrations by a reference.

Usage: python off_axis_with_reference.py HOLOGRAM REFERENCE RESULT_FOLDER

The reference is a hologram of an empty field with the same camera settings.
"""

import sys

import napari_qpm as qpm

hologram, reference, folder = sys.argv[1:]
recording = qpm.open(
    hologram,
    modality="off-axis",
    reference=reference,
    wavelength_nm=532,
    pixel_size_um=0.19,
)
phase = qpm.retrieve(recording, engine="fourier", background="quadratic")

# What the engine found is stored with the phase, and can be set instead.
found = phase.acquisition.instrument
print("sideband [cycles/pixel]:", found.sideband_cycles_per_px)
print("sign of the phase:", found.phase_sign)
for note in phase.acquisition.notes:
    print("note:", note)

labels = qpm.segment(phase)
table = qpm.measure(phase, labels, alpha_ml_g=0.18)
for cell in table.itertuples():
    print(f"cell {cell.label}: {cell.dry_mass_pg:.0f} +- {cell.dry_mass_sd_pg:.0f} pg")
qpm.save(folder, phase, labels, table)
