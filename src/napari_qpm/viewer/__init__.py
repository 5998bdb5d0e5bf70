"""The only room that knows napari and Qt: hooks, layers, view-model and the dock.

`workflow.py` holds all decisions and is free of Qt; `dock.py` and its parts only show
them. Importing this package imports neither napari nor Qt.
"""
