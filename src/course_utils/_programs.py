"""Functions whose numbers are data: optimizers that differ only in a learning rate share one compilation.

Optax writes its numbers into the function: ``optax.sgd(0.1).update`` is a function with 0.1 inside, so JAX compiles it
anew for each learning rate. `Program` traces such a function once, takes the floating-point numbers out of what it
computes, and hands them over as arguments. Two programs are equal where everything but these numbers is.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal, Var


class Program:
    """A traced function without its numbers. As a static argument of `jax.jit` it compares by what it computes.

    >>> half, third = (traced(lambda x, factor=factor: factor * x, jnp.ones(3)) for factor in (0.5, 0.25))
    >>> half[0] == third[0], half[1], half[0](half[1], jnp.ones(3)).tolist()
    (True, (array(0.5, dtype=float32),), [0.5, 0.5, 0.5])
    """

    def __init__(self, jaxpr, result):
        self._jaxpr, self._result = jaxpr, result
        self.text = f"{jaxpr}{result}"

    def __call__(self, numbers, *arguments):
        """What the function returns, with ``numbers`` in it."""
        return self._result.unflatten(
            jax.core.eval_jaxpr(self._jaxpr, (), *numbers, *jax.tree.leaves(arguments))
        )

    def __eq__(self, other):
        return isinstance(other, Program) and self.text == other.text

    def __hash__(self):
        return hash(self.text)


def traced(function: Callable, *arguments) -> tuple[Program, tuple]:
    """``function`` as a program for arguments of these shapes, and the numbers that belong in it."""
    closed, result = jax.make_jaxpr(function, return_shape=True)(*arguments)
    variables, numbers = {}, []

    def without_number(atom):
        if not (isinstance(atom, Literal) and jnp.issubdtype(atom.aval.dtype, jnp.floating)):
            return atom
        number = np.asarray(atom.val, atom.aval.dtype)
        key = number.dtype, number.tobytes()
        if key not in variables:
            variables[key] = Var(atom.aval)
            numbers.append(number)
        return variables[key]

    jaxpr = closed.jaxpr
    eqns = [eqn.replace(invars=[without_number(atom) for atom in eqn.invars]) for eqn in jaxpr.eqns]
    outvars = [without_number(atom) for atom in jaxpr.outvars]
    invars = [*variables.values(), *jaxpr.constvars, *jaxpr.invars]
    open_jaxpr = jaxpr.replace(constvars=[], invars=invars, outvars=outvars, eqns=eqns)
    return Program(open_jaxpr, jax.tree.structure(result)), (*numbers, *closed.consts)


@functools.lru_cache(maxsize=16)
def _optimizer_programs(init, update, shapes, structure):
    params = jax.tree.unflatten(structure, [jax.ShapeDtypeStruct(*shape) for shape in shapes])
    state = jax.eval_shape(init, params)
    return traced(init, params), traced(update, params, state, params)


def optimizer_programs(optimizer, params):
    """``init`` and ``update`` of an optax transformation for these parameters, each as a program and its numbers."""
    leaves, structure = jax.tree.flatten(params)
    shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
    return _optimizer_programs(optimizer.init, optimizer.update, shapes, structure)
