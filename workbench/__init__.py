"""The engine of LLM Workbench: everything the page and the command line can do, without either."""

import os

from workbench.core.telemetry import TELEMETRY_OFF

__version__ = "0.1.0"

# Two processes that compute on one CPU (a job and a chat, say) must not spin on each other's cores: with libgomp's
# default a training step beside another went from 1.1 s to 20 s on 2 cores, with this to 2.8 s, and alone it costs
# nothing measurable. Read by libgomp when torch is loaded, so set before that.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

os.environ.update(TELEMETRY_OFF)
