"""`JobRef`: what a setting says that names a job."""

from workbench.core.reference import Reference, either


class JobRef(Reference):
    """Marks a setting that names a job by its id: `Annotated[str, JobRef("train")]`. Without kinds, any."""

    shelf = "jobs"

    def accepted(self) -> str:
        return f"a {either(self.kinds)} job" if self.kinds else "a job"
