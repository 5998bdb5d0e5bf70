"""How Sphinx builds these pages: ``nox -s docs``.

Pages are plain Markdown, so that they read well in the repository too. Reference pages
are written anew at every build, from docstrings, commands and parameter models.
"""

import sys
from pathlib import Path

import napari_qpm

sys.path.insert(0, str(Path(__file__).parent))
from make_reference import write_reference

project = "napari-qpm"
author = "The napari-qpm team"
copyright = author
version = release = napari_qpm.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3

# `Name` in docstrings is a Python name; those outside this package stay plain text.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"napari-qpm {version}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sphinx = False
html_copy_source = False


def setup(app):
    """Write the reference before Sphinx looks for pages."""
    write_reference(Path(app.srcdir) / "reference")
