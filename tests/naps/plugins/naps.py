"""Makes the naps kinds of job in every process whose WORKBENCH_PLUGINS names this folder."""

from tests.naps.jobs import Nap, NapBeside
from workbench.jobs.job import JOBS

for nap in (Nap, NapBeside):
    JOBS.register(nap)
