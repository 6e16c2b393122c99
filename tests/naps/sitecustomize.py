"""Python imports this at its start when its folder is on PYTHONPATH."""

from tests.naps.jobs import Nap, NapBeside
from workbench.jobs.job import JOBS

for nap in (Nap, NapBeside):
    JOBS.register(nap)
