"""One computation on many hosts: after ``jax.distributed.initialize``, each process has all results.

With one process, which is the rule, nothing here does anything.
"""

import jax
import numpy as np


def on_this_host(array: jax.Array) -> np.ndarray:
    """All of an array that is split over the devices of one process or of many."""
    if jax.process_count() == 1:
        return np.asarray(array)
    from jax.experimental import multihost_utils

    return multihost_utils.process_allgather(array, tiled=True)


def of_first_process(rows: np.ndarray) -> np.ndarray:
    """The first process's rows in every process; the others' may be more or fewer."""
    if jax.process_count() == 1:
        return rows
    from jax.experimental import multihost_utils

    count = int(multihost_utils.broadcast_one_to_all(np.int32(len(rows))))
    if jax.process_index() > 0:  # only the shape counts there
        rows = np.zeros((count, *rows.shape[1:]), rows.dtype)
    return np.asarray(multihost_utils.broadcast_one_to_all(rows))
