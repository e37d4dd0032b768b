"""What the chapters write out by hand, against the libraries: on other networks, sizes and seeds than the chapters use."""

import ast
import functools
import pathlib

import jax
import jax.numpy as jnp
import nbformat
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import course_utils
from course_utils import NetworkConfig, backward_signal_norms, init_params, loss, unstack_layers

CHAPTERS = pathlib.Path(__file__).resolve().parent.parent / "chapters"


@pytest.fixture(autouse=True)
def as_in_a_notebook():
    """There, a vector may be added to a matrix."""
    with jax.numpy_rank_promotion("allow"):
        yield


def from_chapter(chapter, *names):
    """Those functions and tables of a chapter, without running the rest of it."""
    (path,) = CHAPTERS.glob(f"{chapter}_*.ipynb")
    source = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
    namespace = {"jax": jax, "jnp": jnp, "np": np, "optax": optax, "partial": functools.partial}
    namespace |= {name: getattr(course_utils, name) for name in course_utils._MODULE_OF}
    for node in ast.parse(source).body:
        targets = [target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)]
        if getattr(node, "name", None) in names or set(targets) & set(names):
            exec(compile(ast.Module([node], []), str(path), "exec"), namespace)
    return namespace[names[-1]]


def problem(depth, width, seed, **config):
    config = NetworkConfig(depth=depth, width=width, input_size=12, **config)
    generator = np.random.default_rng(seed)
    inputs = jnp.asarray(generator.standard_normal((17, 12)), float)
    return config, init_params(config, key=jax.random.key(seed)), inputs, jnp.asarray(generator.integers(0, 10, 17))


@pytest.mark.parametrize("activation", ["linear", "tanh", "sigmoid", "relu"])
@pytest.mark.parametrize("depth", [1, 4])
def test_backpropagation_of_chapter_1_is_jax_grad(activation, depth):
    by_hand = from_chapter("01", "SLOPES", "gradients_by_hand")
    config, params, inputs, labels = problem(depth, 9, depth, activation=activation, bias_scale=0.3, weight_scale=1.3)
    expected = unstack_layers(jax.grad(loss)(params, inputs, labels, config))
    found = by_hand(params, inputs, labels, activation)
    assert len(found) == depth + 1
    for mine, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-7)


def test_the_backward_signals_of_chapter_2_are_jax_grads():
    by_hand = from_chapter("02", "backward_signals")
    config, params, inputs, labels = problem(6, 20, 1, activation="sigmoid", bias_scale=0.5, weight_scale=2.0)
    norms = [float(jnp.linalg.norm(signal)) for signal in by_hand(params, inputs, labels)]
    np.testing.assert_allclose(norms, backward_signal_norms(params, inputs, labels, config), rtol=1e-4)


@pytest.mark.parametrize("rule", ["lecun_normal", "xavier_normal", "he_normal", "orthogonal"])
@pytest.mark.parametrize("shape", [(80, 80), (120, 40)])
def test_the_initializers_of_chapter_4_are_the_librarys(rule, shape):
    by_hand = from_chapter("04", "draw_by_hand")(rule, np.random.default_rng(3), *shape)
    library = course_utils.INITIALIZERS[rule](np.random.default_rng(3), shape, 1.0)
    np.testing.assert_allclose(by_hand, library, rtol=1e-5, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    leaves=st.lists(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=4), min_size=1, max_size=3),
    threshold=st.floats(0.01, 100),
)
def test_the_clipping_of_chapter_8_is_optaxs(leaves, threshold):
    tree = [jnp.asarray([*leaf, 0.5], jnp.float32) for leaf in leaves]  # a gradient of zero has no length to divide by
    expected, _ = optax.clip_by_global_norm(threshold).update(tree, optax.EmptyState())
    for mine, theirs in zip(from_chapter("08", "clip_by_hand")(tree, threshold), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("activation", ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus"])
def test_the_quadrature_of_chapter_5_is_the_librarys(activation):
    factors = from_chapter("05", "u", "density", "factors_by_hand")(activation, 1.7, 60)
    assert factors.shape == (60,)
    np.testing.assert_allclose(factors[-1], course_utils.gradient_growth_factor(activation, 1.7), rtol=2e-3)


@settings(max_examples=30, deadline=None)
@given(batch=st.integers(2, 9), width=st.integers(2, 9), axis=st.sampled_from([0, 1]), seed=st.integers(0, 99))
def test_the_normalization_of_chapter_6_and_its_gradient_are_flaxs(batch, width, axis, seed):
    linen = pytest.importorskip("flax.linen")
    generator = np.random.default_rng(seed)
    z, g = (2 * generator.standard_normal((batch, width)).astype(np.float32) for _ in range(2))
    kind = linen.LayerNorm if axis else linen.BatchNorm
    module = kind(epsilon=1e-5, use_scale=False, use_bias=False, **({} if axis else {"use_running_average": False}))
    state = {"batch_stats": {"mean": jnp.zeros(width), "var": jnp.ones(width)}}
    out, pull_back = jax.vjp(lambda z: module.apply(state, z, mutable=["batch_stats"])[0], z)
    np.testing.assert_allclose(from_chapter("06", "normalize")(z, axis), out, rtol=1e-3, atol=1e-3)
    by_hand = from_chapter("06", "normalize", "normalize_gradient")(z, g, axis)
    spread = z.std(axis).min() + 1e-2  # the gradient is of the size g / spread, and so is its rounding
    np.testing.assert_allclose(by_hand, pull_back(g)[0], atol=2e-3 * np.abs(g).max() / spread)


@pytest.mark.parametrize("scale", [1.0, 0.2])
def test_the_residual_network_of_chapter_7_is_the_librarys(scale):
    config, params, inputs, _ = problem(5, 12, 2, skip="residual", branch_scale=scale, bias_scale=0.4)
    by_hand = from_chapter("07", "residual_layer", "residual_network")(params, inputs, scale)
    np.testing.assert_allclose(by_hand, course_utils.apply(params, inputs, config), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1.0])
@pytest.mark.parametrize("slope", [0.1, 1.0, 5.0])
def test_the_detector_of_chapter_10_is_the_librarys(scale, slope):
    by_hand = from_chapter("10", "early_layers_get_nothing")
    norms = np.random.default_rng(0).uniform(0.5, 2.0, (30, 8)) * scale * slope ** np.arange(8)
    norms[3] = np.inf  # a step that overflowed is passed over
    history = course_utils.History(np.ones(30), None, norms, np.ones((30, 8)), None, 3)
    signs = {(symptom.kind, symptom.number) for symptom in course_utils.diagnose(history)}
    assert by_hand(history) == (("vanishing", 2) in signs)
