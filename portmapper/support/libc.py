"""Functions of the C library that Python does not offer."""

from __future__ import annotations

import functools
import os
from typing import Any


@functools.cache
def libc() -> Any:
    """Return the C library that the interpreter uses; importing ctypes is left to who needs it."""
    import ctypes

    # By its name, it would have to be searched for, by ldconfig or a compiler.
    return ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> int:
    """Return a result that is not negative; raise the `OSError` of any other."""
    import ctypes

    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
