"""What the benchmarks measure: a batch and the grid of networks."""

import numpy as np

GRID = {"depths": 20, "weight_scales": 25, "seeds": 8, "batch": 128}


def batch(size):
    """Inputs ``[size, 64]`` of unit variance and labels of ten classes."""
    generator = np.random.default_rng(0)
    return generator.standard_normal((size, 64)).astype("f4"), generator.integers(0, 10, size)


def grid_axes():
    """The grid's depths and weight scales."""
    depths = np.unique(np.round(np.linspace(1, 100, GRID["depths"])).astype(int)).tolist()
    return depths, np.geomspace(0.25, 4, GRID["weight_scales"]).tolist()
