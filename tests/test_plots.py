import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_utils import plot_layer_norms, plot_loss, plot_norm_history, plot_runs, use_course_style


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_layer_norms_draw_median_range_and_theory():
    runs = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 5.0], [2.0, 8.0, 4.0]])
    ax = plot_layer_norms(runs, prediction=[1, 2, 4], label="run", ylabel="size")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [2, 2, 4])
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [1, 2, 4])
    assert ax.lines[1].get_linestyle() == "--" and ax.get_yscale() == "log" and ax.get_ylabel() == "size"
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == 1 and band[:, 1].max() == 8
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["run", "theory"]


def test_the_legend_names_theory_once():
    ax = plot_layer_norms([1, 2], prediction=[1, 2], label="a")
    plot_layer_norms([3, 4], prediction=[3, 4], label="b", ax=ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "theory", "b"] and len(ax.lines) == 4


def test_runs_are_drawn_against_any_quantity():
    ax = plot_runs([0.1, 1.0], [[1.0, 2.0], [5.0, 4.0], [2.0, 9.0]], label="sgd")
    plot_runs([0.1, 1.0], [3.0, 3.0], label="adam", ax=ax)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[0.1, 2], [1, 4]])
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == 1 and band[:, 1].max() == 9 and len(ax.collections) == 1
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["sgd", "adam"]


def test_loss_with_nan_is_drawn_as_far_as_it_goes():
    ax = plot_loss([[2.3, np.inf, np.nan], [2.3, 1.0, 0.5]], baseline=2.3)
    assert ax.lines[0].get_ydata()[0] == pytest.approx(2.3) and ax.lines[1].get_ydata()[0] == 2.3


def test_norm_history_draws_the_layers_asked_for():
    norms = np.arange(1.0, 13.0).reshape(3, 4)
    ax = plot_norm_history(norms, layers=[2, 4])
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), norms[:, 3])
    assert [line.get_label() for line in ax.lines] == ["layer 2", "layer 4"]
    assert len(plot_norm_history(np.ones((2, 50))).lines) == 6


def test_style_is_the_courses():
    use_course_style()
    colours = mpl.rcParams["axes.prop_cycle"].by_key()
    assert colours["color"][0] == "#0072B2" and len(set(colours["marker"])) == 6


@pytest.mark.parametrize(
    ("call", "named"),
    [(lambda: plot_layer_norms(np.zeros((2, 2, 2))), "norms"), (lambda: plot_layer_norms([1, 2], prediction=[1]), "prediction"),
     (lambda: plot_loss([]), "loss"), (lambda: plot_runs([1, 2], [[1, 2, 3]]), "x"), (lambda: plot_norm_history([1, 2]), "norms"),
     (lambda: plot_norm_history(np.ones((2, 3)), layers=[4]), "layers")],
)  # fmt: skip
def test_wrong_arguments_are_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()
