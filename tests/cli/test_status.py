"""`portmapper status` and `portmapper history`, with a daemon and without one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

