"""Explorers in Colab, which shows a widget of a third party only where its output names the manager to load for it."""

import nbclient
import nbformat
import pytest

pytestmark = pytest.mark.slow
WIDGET = "application/vnd.jupyter.widget-view+json"

# What Colab's own module does: once enabled, it adds the manager to what is displayed, and not to a cell's last value.
COLAB = f"""
import sys, types
enabled = []
google, colab, output = (types.ModuleType(name) for name in ("google", "google.colab", "google.colab.output"))
google.colab, colab.output = colab, output
output._widgets = types.SimpleNamespace(_installed_url=None)

def add_manager(message):
    content = message["content"]
    if "{WIDGET}" in content.get("data", {{}}):
        content["metadata"]["{WIDGET}"] = {{"colab": {{"custom_widget_manager": {{"url": "manager.js"}}}}}}
    return message

def enable_custom_widget_manager():
    enabled.append(True)
    output._widgets._installed_url = "manager.js"
    get_ipython().display_pub.register_hook(add_manager)

output.enable_custom_widget_manager = enable_custom_widget_manager
sys.modules.update({{module.__name__: module for module in (google, colab, output)}})
"""
GRADIENT = """
from course_utils import GradientExplorer, NetworkConfig, TrainingExplorer
place = dict(depths=[2, 3], weight_scales=[0.5, 1.0], seeds=[0])
explorer = GradientExplorer(NetworkConfig(2), **place)
display(explorer)
"""
TRAINING = "display(TrainingExplorer(NetworkConfig(2), steps=2, **place))"


def test_explorers_bring_the_widget_manager_that_colab_needs(monkeypatch):
    for name in ("COURSE_BUILD", "XLA_FLAGS"):
        monkeypatch.delenv(name)
    cells = [COLAB, GRADIENT, TRAINING, "explorer", "assert enabled == [True]"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    nbclient.execute(notebook, timeout=120)
    boxes = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    for cell in notebook.cells[1:4]:
        widgets = [output for output in cell.outputs if WIDGET in output.get("data", {})]  # progress bars are some too
        (shown,) = [output for output in widgets if boxes[output.data[WIDGET]["model_id"]]["model_name"] == "VBoxModel"]
        assert shown.output_type == "display_data"
        assert shown.metadata[WIDGET] == {"colab": {"custom_widget_manager": {"url": "manager.js"}}}
