"""Settings of Sphinx; docs/build.py runs it."""

import re

import tfxfer

project = "tfxfer"
copyright = "the authors of tfxfer, Apache-2.0"
version = release = tfxfer.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_nb"]
exclude_patterns = ["extra"]
html_extra_path = ["extra"]

myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # notebooks come executed: make docs-notebooks
nb_merge_streams = True

smartquotes = False  # "--option" stays as it is
default_role = "code"  # docstrings write `name`, as Markdown does
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
python_use_unqualified_type_names = True
maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "pydata_sphinx_theme"
html_title = f"tfxfer {version}"
html_static_path = ["assets"]
html_css_files = ["extra.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}


def markdown_to_rest(app, what, name, obj, options, lines) -> None:
    """Writes what is a table in Markdown as one in reStructuredText, and escapes what is a mark there only."""
    made: list[str] = []
    for number, line in enumerate(lines):
        indent, start = line[: len(line) - len(line.lstrip())], line.lstrip()
        if start.startswith(("| ", "|-")):
            if number == 0 or not lines[number - 1].lstrip().startswith("|"):
                made += [f"{indent}.. list-table::", f"{indent}   :header-rows: 1", ""]
            if not start.startswith("|-"):
                first, *rest = [escaped(cell.strip()) for cell in start.strip("| ").split("|")]
                made += [f"{indent}   * - {first}", *(f"{indent}     - {cell}" for cell in rest)]
        else:
            made.append(line if start.startswith((">>>", "...")) else escaped(line))
    lines[:] = made


def escaped(text: str) -> str:
    """Text in which *, | and a trailing _ are no marks, outside of code."""
    pieces = re.split(r"(`[^`]*`)", text)
    pieces[::2] = [re.sub(r"(?<!\\)([*|]|_(?=\W|$))", r"\\\1", piece) for piece in pieces[::2]]
    return "".join(pieces)


def skip_routing(app, what, name, obj, skip, options) -> bool | None:
    """Leaves out methods that scikit-learn adds to its estimators; their docstrings are about its own documentation."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def setup(app) -> None:
    app.connect("autodoc-process-docstring", markdown_to_rest, priority=400)  # before napoleon, which adds marks
    app.connect("autodoc-skip-member", skip_routing)
