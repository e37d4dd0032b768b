"""Watch the gradients of any network: one line in its optimizer, and nothing else changes.

``optax.chain(record_gradient_norms(), optax.adam(1e-3))`` keeps the norms of every weight matrix's gradient in the
optimizer's state, for parameters of any shape of tree: plain JAX, Flax, Equinox or this course's own. `recorded_history`
reads them back as the `History` that `diagnose` takes.
"""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.tree_util import DictKey

from ._checks import positive_int
from ._shapes import Float, Int
from .gradients import frobenius_norms, hidden_weight_norms
from .networks import Params
from .training import History


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["count", "loss", "gradient_norm", "weight_norm"],
    meta_fields=["layers"],
)
@dataclasses.dataclass(frozen=True)
class GradientNormsState:
    """The records of the last steps, a ring: step ``i`` stands in row ``i mod steps``."""

    count: Int[Array, "..."]
    loss: Float[Array, "..."]
    gradient_norm: Float[Array, "..."]
    weight_norm: Float[Array, "..."]
    layers: tuple[str, ...]


def _natural(text: str) -> tuple:
    """``Dense_10`` after ``Dense_2``."""
    return tuple(
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part
    )


def _weights(tree) -> list[tuple[str, jax.Array]]:
    """Name and value of each weight matrix (any float array of two axes or more), from the input side on.

    Lists, tuples and classes keep their order. Dictionaries, which JAX sorts by letters, are sorted with their numbers
    read as numbers.
    """
    places: dict = {}
    found = []
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        if np.ndim(leaf) < 2 or not jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
            continue
        order = [
            _natural(str(entry.key))
            if isinstance(entry, DictKey)
            else ((0, places.setdefault(path[: i + 1], len(places)), ""),)
            for i, entry in enumerate(path)
        ]
        found.append((order, jax.tree_util.keystr(path), leaf))
    return [(name, leaf) for _, name, leaf in sorted(found, key=lambda item: item[0])]


def _layer_names(params) -> tuple[str, ...]:
    if isinstance(params, Params):
        return tuple(f"layer {i + 1}" for i in range(1 + params.hidden.weight.shape[0]))
    return tuple(name for name, _ in _weights(params))


def _layer_norms(tree) -> Float[Array, " layers"]:
    if isinstance(tree, Params):
        return hidden_weight_norms(tree)
    return jnp.stack([frobenius_norms(weight[None])[0] for _, weight in _weights(tree)]).astype(float)


def record_gradient_norms(steps: int = 1000) -> optax.GradientTransformationExtraArgs:
    """An optax transformation that records gradient norms and changes nothing.

    Put it first in a chain: ``optax.chain(record_gradient_norms(), optax.adam(1e-3))``. It sees the raw gradients there,
    before any clipping. Where the loop calls ``optimizer.update(gradients, state, params, value=loss)``, the loss is
    recorded too.

    Args:
        steps: how many steps to remember, the last ones. Each costs eight bytes a weight matrix.

    Returns:
        The transformation. Its state holds the records: read them with `recorded_history`.

    Raises:
        ValueError: where ``steps`` is not a whole number of at least 1, or the parameters hold no weight matrix.

    >>> import optax
    >>> params = {"Dense_0": {"kernel": jnp.ones((3, 4))}, "Dense_1": {"kernel": jnp.ones((4, 2))}}
    >>> optimizer = optax.chain(record_gradient_norms(), optax.sgd(0.1))
    >>> state = optimizer.init(params)
    >>> updates, state = optimizer.update(params, state, params)
    >>> [f"{norm:.2f}" for norm in recorded_history(state).gradient_norm[0]]
    ['3.46', '2.83']
    """
    steps = positive_int("steps", steps)

    def init(params):
        layers = _layer_names(params)
        if not layers:
            raise ValueError(
                "the parameters hold no float array of two axes or more, so there is no weight to watch"
            )
        table = jnp.full((steps, len(layers)), jnp.nan)
        return GradientNormsState(jnp.zeros((), int), jnp.full(steps, jnp.nan), table, table, layers)

    def update(updates, state, params=None, *, value=None, **_):
        row = state.count % steps
        put = lambda table, values: table if values is None else table.at[row].set(values)
        state = dataclasses.replace(
            state,
            count=state.count + 1,
            loss=put(state.loss, value),
            gradient_norm=put(state.gradient_norm, _layer_norms(updates)),
            weight_norm=put(state.weight_norm, None if params is None else _layer_norms(params)),
        )
        return updates, state

    return optax.GradientTransformationExtraArgs(init, update)


def recorded_history(optimizer_state) -> History:
    """What `record_gradient_norms` kept, oldest step first.

    Args:
        optimizer_state: the state of a chain that holds `record_gradient_norms`, at any depth of nesting.

    Returns:
        A `History` whose ``layers`` names the weight matrices. ``accuracy`` and ``update_norm`` are None, and so are
        ``loss`` and ``weight_norm`` where the loop did not give them.

    Raises:
        ValueError: where the state holds no records, or more than one `record_gradient_norms`.
    """
    is_record = lambda node: isinstance(node, GradientNormsState)
    states = [node for node in jax.tree.leaves(optimizer_state, is_leaf=is_record) if is_record(node)]
    if len(states) != 1:
        raise ValueError(
            f"optimizer_state must come from a chain with one record_gradient_norms(), got {len(states)} of them"
        )
    (state,) = states
    count, steps = int(state.count), state.loss.shape[0]
    if count == 0:
        raise ValueError("optimizer_state holds no step yet: call optimizer.update first")
    rows = np.arange(max(0, count - steps), count) % steps
    loss, gradient, weight = (
        np.asarray(table)[rows] for table in (state.loss, state.gradient_norm, state.weight_norm)
    )
    # NaN stands for "not given" in the whole column, and for itself in a part of it.
    given = lambda table: None if count and np.isnan(table).all() and not np.isnan(gradient).all() else table
    loss, weight = given(loss), given(weight)
    seen = [gradient] + [table.reshape(len(rows), -1) for table in (loss, weight) if table is not None]
    broken = np.flatnonzero(~np.isfinite(np.concatenate(seen, axis=1)).all(axis=1))
    return History(
        loss=loss, accuracy=None, gradient_norm=gradient, weight_norm=weight, update_norm=None,
        first_nonfinite_step=int(broken[0]) if broken.size else None, layers=state.layers,
    )  # fmt: skip
