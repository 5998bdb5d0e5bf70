"""``python -m napari_qpm`` is the ``napari-qpm`` command."""

from napari_qpm.cli import main

main()
