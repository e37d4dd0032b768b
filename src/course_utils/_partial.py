"""What an interrupted sweep had finished, so that the same call goes on from there.

Kept in memory, for one sweep at a time: Ctrl-C and a notebook's stop button leave the process alive.
"""

import contextlib
import logging
from collections.abc import Callable, Hashable

_kept: dict = {}
_log = logging.getLogger(__name__)  # where nobody has set up logging, Python prints the bare line


@contextlib.contextmanager
def resumable(what: str, key: Callable[[], Hashable], size: Callable[[dict], str]):
    """A dict to put finished parts into. Interrupted, it is kept, and the same call is given it again.

    Args:
        what: the sweep's name in the lines that tell.
        key: makes the call's name, from all that its result depends on. Only called where it is needed.
        size: says how much of the work the dict holds, as in ``3 of 8 networks``.
    """
    finished = _kept.pop((what, key()), {}) if _kept else {}
    if finished:
        _log.warning("%s: goes on after %s that were kept.", what, size(finished))
    try:
        yield finished
    except KeyboardInterrupt:
        if any(map(len, finished.values())):
            _kept.clear()
            _kept[what, key()] = finished
            _log.warning(
                "%s: interrupted. %s are kept; the same call goes on from there.", what, size(finished)
            )
        raise
