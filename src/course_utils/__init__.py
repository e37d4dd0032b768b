"""The shared JAX package of the course *Unstable Gradients*.

Read the list below from top to bottom: it is the architecture. Each module knows only of those above it.
A public name is imported from here (``from course_utils import train``); its module loads on first use, so
that ``import course_utils`` costs next to nothing.
"""

import importlib

__version__ = "0.1.0"

_PUBLIC = {
    "datasets": ("Dataset", "load_digits", "make_spirals"),
    "initializers": (
        "INITIALIZERS",
        "scaled_normal",
        "xavier_normal",
        "he_normal",
        "lecun_normal",
        "orthogonal",
    ),
    "networks": (
        "ACTIVATIONS",
        "BatchStatistics",
        "Layer",
        "NetworkConfig",
        "Params",
        "init_params",
        "apply",
        "batch_statistics",
        "loss",
        "unstack_layers",
    ),
    "gradients": (
        "layer_gradient_norms",
        "log10_layer_gradient_norms",
        "backward_signal_norms",
        "forward_signal_std",
        "GradientSweep",
        "sweep_gradient_norms",
    ),
    "training": ("History", "train"),
    "training_sweep": ("TrainingSweep", "sweep_training"),
    "recording": ("record_gradient_norms", "recorded_history"),
    "diagnosis": ("Diagnosis", "Symptom", "diagnose"),
    "theory": (
        "variance_map",
        "fixed_point_variance",
        "gradient_growth_factor",
        "depth_scale",
        "critical_weight_scale",
    ),
    "plots": (
        "use_course_style",
        "plot_runs",
        "plot_layer_norms",
        "plot_loss",
        "plot_norm_history",
    ),
    "explorer": ("GradientExplorer",),
    "training_explorer": ("TrainingExplorer",),
    "popular_claims": ("POPULAR_CLAIMS", "PopularClaim"),
    "claims": ("ClaimError", "claim"),
    "claims_table": ("ClaimRecord", "popular_claims_table", "read_claims", "statements_table", "verdict_on"),
    "exercises": ("check", "hint"),
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = [*_MODULE_OF, *_PUBLIC]


def __getattr__(name):
    """Import a public name's module the first time the name is asked for."""
    if name in _PUBLIC:
        return importlib.import_module(f".{name}", __name__)
    if name in _MODULE_OF:
        return getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)
    raise AttributeError(
        f"module 'course_utils' has no attribute {name!r}; public names: {', '.join(_MODULE_OF)}"
    )


def __dir__():
    return sorted([*globals(), *__all__])
