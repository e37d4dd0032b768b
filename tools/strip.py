"""Remove outputs and execution counts from notebooks; cell ids and tags stay.

python tools/strip.py chapters/*.ipynb
"""

import sys

import nbformat


def strip(notebook):
    """The notebook as the repository keeps it."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


if __name__ == "__main__":
    for path in sys.argv[1:]:
        nbformat.write(strip(nbformat.read(path, as_version=4)), path)
