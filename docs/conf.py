"""The site: `make docs` builds it in docs/_build/html, without a network."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import _generate  # noqa: E402

import deepmapper  # noqa: E402

# The package imports names on first use; autodoc sees only those that are set. Set those whose own
# module is private: the others are described in their module.
for name, home in deepmapper._HOMES.items():
    if "._" in home:
        setattr(deepmapper, name, getattr(deepmapper, name))
_generate.write_pages()  # before Sphinx lists the files

project = "DeepMapper benchmark"
version = release = deepmapper.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples", "generated/parts"]
templates_path = ["_templates"]
default_role = "literal"
myst_heading_anchors = 3

autodoc_default_options = {
    "members": True,
    "exclude-members": "set_fit_request, set_score_request",  # scikit-learn's own
}
add_module_names = False
autodoc_typehints_format = "short"
maximum_signature_line_length = 80
numpydoc_show_class_members = False
smartquotes = False  # options of commands keep their two dashes
python_use_unqualified_type_names = True

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "ignore_repr_types": "int|list|matplotlib",
    "show_signature": False,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_show_sourcelink = False
# Without pages below them.
html_sidebars = {"start": [], "your-table": [], "which-method": []}
html_theme_options = {
    "logo": {"text": "DeepMapper"},
    "navbar_end": ["theme-switcher"],
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
}


def link_results(app, docname, source):
    """Links to published results lead to their pages on the site."""
    source[0] = source[0].replace("](../reports/published/", "](generated/results/")
    source[0] = source[0].replace("/README.md)", ".md)")


def escape_marks(app, what, name, obj, options, lines):
    """Keep the signs of shapes, (n, *shape), and of absolute values, |x|."""
    lines[:] = [re.sub(r"(?<=[ (])([*|])(?=\w)", r"\\\1", line) for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", escape_marks)
    app.connect("source-read", link_results)
