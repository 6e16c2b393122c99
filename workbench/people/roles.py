"""What people may be, and what that lets them do."""

import enum

from workbench.core.errors import UserError


class Role(enum.StrEnum):
    """A person's role; the help of each stands in `MEANING`."""

    OWNER = "owner"
    ANNOTATOR = "annotator"
    VIEWER = "viewer"


MEANING = {
    Role.OWNER: "may do everything, invite people and change their roles",
    Role.ANNOTATOR: "may judge answers, and learns nothing of the models",
    Role.VIEWER: "may see the results of sessions that are closed",
}


def parse_role(text: str) -> Role:
    """The role of that name; raises `UserError` for any other."""
    try:
        return Role(str(text).strip().lower())
    except ValueError:
        roles = ", ".join(Role)
        raise UserError(f"{str(text)[:40]!r} is no role.", f"Give one of: {roles}.", "role") from None
