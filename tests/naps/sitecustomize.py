"""Python imports this at its start when its folder is on PYTHONPATH."""

import tests.naps.jobs  # noqa: F401
