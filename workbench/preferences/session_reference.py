"""`SessionRef`: what a setting says that names a labelling session."""

from workbench.core.reference import Reference


class SessionRef(Reference):
    """Marks a setting that names a labelling session: `Annotated[str, SessionRef()]`."""

    shelf = "sessions"

    def accepted(self) -> str:
        return "a labelling session"
