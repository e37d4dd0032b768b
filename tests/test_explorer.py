import ipywidgets
import numpy as np
import pytest

from course_utils import (
    GradientExplorer,
    NetworkConfig,
    TrainingExplorer,
    depth_scale,
    explorer,
    gradient_growth_factor,
    load_digits,
    norm_engine,
    sweep_gradient_norms,
)

DEPTHS, SCALES, SEEDS = (2, 5, 9), (0.5, 1.0, 2.0), (0, 1, 2)


@pytest.fixture(scope="module")
def tanh():
    return GradientExplorer(NetworkConfig(depth=5), depths=DEPTHS, weight_scales=SCALES, seeds=SEEDS)


def curves_of(data, depths, scales):
    """What explorer.js reads: {(depth, scale index): [4, depth]}."""
    floats, start, out = np.frombuffer(data, "<f4"), 0, {}
    for depth in depths:
        for s in range(scales):
            out[depth, s] = floats[start : start + 4 * depth].reshape(4, depth)
            start += 4 * depth
    assert start == len(floats)
    return out


def test_the_picture_holds_the_sweep(tanh):
    digits = load_digits()
    sweep = sweep_gradient_norms(
        NetworkConfig(1),
        digits.inputs[:256],
        digits.labels[:256],
        depths=DEPTHS,
        weight_scales=SCALES,
        seeds=SEEDS,
    )
    for (depth, s), (median, low, high, signal) in curves_of(tanh.picture.curves, DEPTHS, 3).items():
        d = DEPTHS.index(depth)
        norms = sweep.weight_gradient[d, s, :, :depth]
        np.testing.assert_allclose(median, np.median(norms, 0), atol=1e-5)
        np.testing.assert_allclose(low, norms.min(0), atol=1e-5)
        np.testing.assert_allclose(high, norms.max(0), atol=1e-5)
        np.testing.assert_allclose(signal, np.median(sweep.backward_signal[d, s, :, :depth], 0), atol=1e-5)


def test_theory_is_drawn_for_plain_networks_only(tanh):
    expected = [0.5 * np.log10(gradient_growth_factor("tanh", scale)) for scale in SCALES]
    np.testing.assert_allclose(tanh.picture.slopes, expected)
    he = NetworkConfig(2, activation="relu", initializer="he_normal")
    assert explorer._slope(he, 1.0) == pytest.approx(0, abs=1e-9)
    assert explorer._slope(he.replace(normalization="batch"), 1.0) is None
    assert explorer._slope(he.replace(skip="residual"), 1.0) is None


def test_a_place_between_grid_points_is_computed_and_pushed_without_compiling(tanh):
    compilations = norm_engine._sharded_curves._cache_size()
    tanh.depth.value, tanh.weight_scale.value = 7, 1.3
    assert tanh.picture.live == {
        "depth": 7,
        "weight_scale": 1.3,
        "slopes": [explorer._slope(NetworkConfig(1), 1.3)],
    }
    assert curves_of(tanh.picture.live_curves, [7], 1)[7, 0].shape == (4, 7)
    assert norm_engine._sharded_curves._cache_size() == compilations
    before = tanh.picture.live
    tanh.depth.value, tanh.weight_scale.value = 5, 1.0
    assert tanh.picture.live["depth"] in (5, 7)
    assert before["depth"] == 7


def test_compare_adds_a_second_network():
    shown = GradientExplorer(
        NetworkConfig(depth=2),
        depths=[2, 3],
        weight_scales=[1, 2],
        seeds=[0],
        compare=NetworkConfig(2, activation="relu"),
    )
    assert shown.picture.compare_label == "activation relu"
    assert len(shown.picture.compare_curves) == len(shown.picture.curves)


def test_sliders_start_at_the_config_and_are_linked_in_the_browser(tanh):
    assert [type(child) for child in tanh.children[:2]] == [ipywidgets.IntSlider, ipywidgets.FloatLogSlider]
    assert all(link.target[0] is tanh.picture for link in tanh._links)


@pytest.mark.parametrize("explorer_class", [GradientExplorer, TrainingExplorer])
def test_nothing_of_ours_hides_what_ipywidgets_uses(explorer_class, tanh):
    class Empty(ipywidgets.VBox):  # what traitlets itself puts into every class
        pass

    inherited = set(dir(ipywidgets.VBox))
    own_classes = explorer_class.__mro__[: explorer_class.__mro__.index(ipywidgets.VBox)]
    ours = {name for owner in own_classes for name in vars(owner) if not name.startswith("__")}
    assert (ours - set(vars(Empty))) & inherited <= {"_ipython_display_"}
    set_by_init = {"picture", "depth", "weight_scale", "_links", "_still", "_config", "_other", "_seeds", "_inputs", "_labels"}
    assert set_by_init <= set(vars(tanh)) and not set_by_init & inherited
    assert repr(tanh)


def test_the_book_gets_a_still_figure_and_a_sentence(tanh):
    assert "<noscript>" in tanh._still and "Turn on JavaScript" in tanh._still and "alt=" in tanh._still


@pytest.mark.usefixtures("as_a_reader")
@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"depths": [3]}, "depths"), ({"depths": "3"}, "depths"), ({"weight_scales": [1, -1]}, "weight_scales"),
     ({"seeds": []}, "seeds"), ({"compare": "relu"}, "compare"), ({"inputs": np.zeros((2, 64), "f4")}, "together"),
     ({"config": NetworkConfig(2, input_size=3)}, "input_size")],
)  # fmt: skip
def test_wrong_arguments_are_named(wrong, named):
    right = {"config": NetworkConfig(2), "depths": [2, 3], "weight_scales": [1, 2], "seeds": [0]} | wrong
    with pytest.raises(ValueError, match=named):
        GradientExplorer(right.pop("config"), **right)


def test_the_training_picture_holds_the_sweep(digits):
    import optax

    from course_utils import sweep_training

    grid = {"depths": [2, 4], "weight_scales": [0.5, 1.0, 2.0], "seeds": [0, 1, 2]}
    options = {"steps": 90, "batch_size": 64, "optimizer": optax.sgd(0.1)}
    shown = TrainingExplorer(
        NetworkConfig(3), compare=NetworkConfig(3, normalization="layer"), **grid, **options
    ).picture
    for config, losses, accuracies in (
        (NetworkConfig(1), shown.losses, shown.accuracies),
        (NetworkConfig(1, normalization="layer"), shown.compare_losses, shown.compare_accuracies),
    ):
        sweep = sweep_training(config, digits, **grid, **options)
        rows = np.frombuffer(losses, "<f4").reshape(2, 3, 3, 40)
        first = sweep.loss[..., :3].mean(-1)  # 90 steps in 40 points: the first ones stand for three each
        np.testing.assert_allclose(rows[..., 0, 0], np.median(first, -1), rtol=1e-5)
        np.testing.assert_allclose(rows[..., 1, 0], first.min(-1), rtol=1e-5)
        np.testing.assert_allclose(rows[..., 2, 0], first.max(-1), rtol=1e-5)
        expected = np.median(sweep.final_accuracy, -1)
        np.testing.assert_allclose(np.frombuffer(accuracies, "<f4").reshape(2, 3), expected, rtol=1e-5)
    assert shown.compare_label == "normalization layer" and shown.depth == 2
    np.testing.assert_allclose(shown.horizon[0], 6 * depth_scale("tanh", 0.5))
    assert shown.guessing == pytest.approx(np.log(10))


def test_another_optimizer_alone_is_a_comparison():
    import optax

    shown = TrainingExplorer(
        NetworkConfig(2), depths=[1, 2], weight_scales=[1, 2], seeds=[0], steps=3, compare_optimizer=optax.adam(1e-3),
        labels=("descent", "Adam"),
    ).picture  # fmt: skip
    assert (shown.title, shown.compare_label) == ("descent", "Adam") and shown.compare_losses != shown.losses
    batch = TrainingExplorer(NetworkConfig(2, skip="rezero"), depths=[1, 2], weight_scales=[1, 2], seeds=[0], steps=3)
    assert batch.picture.horizon == []


@pytest.mark.usefixtures("as_a_reader")
@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"depths": [3]}, "depths"), ({"seeds": []}, "seeds"), ({"compare": 1}, "compare"), ({"steps": 0}, "steps"),
     ({"optimizer": 0.1}, "optimizer")],
)  # fmt: skip
def test_the_training_explorers_wrong_arguments_are_named(wrong, named):
    right = {"depths": [2, 3], "weight_scales": [1, 2], "seeds": [0], "steps": 2} | wrong
    with pytest.raises(ValueError, match=named):
        TrainingExplorer(NetworkConfig(2), **right)
