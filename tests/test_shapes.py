"""Shapes in signatures: checked where jaxtyping is, and there to read where it is not, as in Colab."""

import inspect
import json
import pathlib
import re
import subprocess
import sys

import jax
import jaxtyping
import numpy as np
import pytest

import course_utils
from course_utils import NetworkConfig, init_params, layer_gradient_norms, loss

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONFIG = NetworkConfig(depth=2, width=4, input_size=3, output_size=2)


def signatures():
    """The signature of each public name that has one."""
    names = [name for name in course_utils._MODULE_OF if name != "ClaimError"]
    values = {name: getattr(course_utils, name) for name in names}
    return {name: str(inspect.signature(value)) for name, value in values.items() if callable(value)}


# What a reader without jaxtyping does: reads signatures and measures gradients.
WITHOUT = f"""\
import sys; sys.modules["jaxtyping"] = None
import inspect, json
import jax, numpy as np, optax
import course_utils
from course_utils import *
{inspect.getsource(signatures)}
digits, config = load_digits(), NetworkConfig(depth=3, width=8, activation="relu")
params = init_params(config, key=jax.random.key(0))
some, labels = digits.inputs[:16], digits.labels[:16]
assert apply(params, some, config).shape == (16, 10) and float(loss(params, some, labels, config)) > 0
norms = layer_gradient_norms(params, some, labels, config)
engine = sweep_gradient_norms(config, some, labels, depths=[3], weight_scales=[1.0], seeds=[0])
assert norms.shape == (3,) and np.isfinite(engine.weight_gradient).all()
optimizer = optax.chain(record_gradient_norms(), optax.sgd(0.1))
history = train(config, digits, optimizer=optimizer, steps=3, batch_size=16)[1]
assert history.gradient_norm.shape == (3, 3) and str(diagnose(history))
print(json.dumps(signatures()))
"""


def words(signature):
    """The kinds of arrays that a signature names, and their shapes."""
    return set(re.findall(r"\b(Float32|Float|Int)\b|'([^']*)'", signature))


def test_without_jaxtyping_the_package_runs_and_signatures_show_the_same_shapes():
    run = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    without, here = json.loads(run.stdout), signatures()
    assert {name: words(text) for name, text in without.items()} == {name: words(text) for name, text in here.items()}
    assert words(here["layer_gradient_norms"]) >= {("Float", ""), ("Int", ""), ("", "batch input_size"), ("", "batch"), ("", "depth")}


@pytest.mark.parametrize("function", [loss, layer_gradient_norms])
def test_with_jaxtyping_a_wrong_shape_or_kind_is_caught(function):
    params = init_params(CONFIG, key=jax.random.key(0))
    inputs, labels = np.ones((5, 3), np.float32), np.zeros(5, np.int32)
    function(params, inputs, labels, CONFIG)
    for wrong in [(inputs[0], labels), (inputs, labels[:4]), (inputs.astype(np.int32), labels), (inputs, labels.astype(float))]:
        with pytest.raises(jaxtyping.TypeCheckError):
            function(params, *wrong, CONFIG)


def test_only_one_module_and_the_tests_import_jaxtyping():
    sources = [
        path
        for folder in ("src", "tools", "benchmarks", "chapters", "examples")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".ipynb")
    ]
    assert len(sources) > 60
    assert [path.name for path in sources if re.search(r"(from|import) jaxtyping", path.read_text(encoding="utf-8"))] == ["_shapes.py"]
