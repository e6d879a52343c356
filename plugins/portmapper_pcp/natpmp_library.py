"""py-natpmp, imported without its SyntaxWarning.

Version 0.2.5 has an invalid escape sequence. Python 3.12 and later report it on standard error when they
compile the module, which happens at each start if the installation cannot be written.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", SyntaxWarning)
    warnings.simplefilter("ignore", DeprecationWarning)  # the same on Python 3.11
    import natpmp

__all__ = ["natpmp"]
