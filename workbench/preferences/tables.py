"""The tables of the label database, as `SCHEMA_VERSION` has them; older files are brought here by `migrations`."""

from typing import Any

import sqlalchemy as sa

SCHEMA_VERSION = 7
BROWSER_CHARACTERS = 100

metadata = sa.MetaData()


def _reference(column: str) -> Any:
    return sa.ForeignKey(column, ondelete="CASCADE")


schema_version = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, primary_key=True))

sessions = sa.Table(
    "session",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(80), nullable=False, unique=True),
    sa.Column("models", sa.JSON, nullable=False),
    sa.Column("prompts_name", sa.Text, nullable=False),
    sa.Column("made_by", sa.JSON, nullable=False),
    sa.Column("votes_per_pair", sa.Integer, nullable=False),
    sa.Column("seed", sa.String(32), nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("complete", sa.Boolean, nullable=False),
    sa.Column("settings", sa.JSON, nullable=False, server_default=sa.text("'{}'")),
    sa.Column("state", sa.String(10), nullable=False, server_default="open"),
)

guidelines = sa.Table(
    "guideline",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("session_id", _reference("session.id"), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
    sa.UniqueConstraint("session_id", "version"),
)

prompts = sa.Table(
    "prompt",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("session_id", _reference("session.id"), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("messages", sa.JSON, nullable=False),
    sa.UniqueConstraint("session_id", "position"),
)

answers = sa.Table(
    "answer",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("prompt_id", _reference("prompt.id"), nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("finish", sa.String(10), nullable=False),
    sa.Column("tokens", sa.Integer, nullable=False),
    sa.UniqueConstraint("prompt_id", "model"),
)

pairs = sa.Table(
    "pair",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("session_id", _reference("session.id"), nullable=False),
    sa.Column("prompt_id", _reference("prompt.id"), nullable=False, index=True),
    sa.Column("answer_a", _reference("answer.id"), nullable=False, index=True),
    sa.Column("answer_b", _reference("answer.id"), nullable=False, index=True),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("rank", sa.BigInteger, nullable=False),
    sa.Column("votes", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("kind", sa.String(10), nullable=False, server_default="judged"),
    sa.Column("expected", sa.String(10), nullable=False, server_default=""),
    sa.Column("explanation", sa.Text, nullable=False, server_default=""),
    sa.Column("matchup", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Index("pair_in_order", "session_id", "state", "rank"),
    sa.Index("pair_by_votes", "session_id", "state", "votes"),
    sa.Index("pair_of_kind", "session_id", "kind"),
)

leases = sa.Table(
    "lease",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("session_id", _reference("session.id"), nullable=False),
    sa.Column("pair_id", _reference("pair.id"), nullable=False, index=True),
    sa.Column("annotator", sa.Text, nullable=False),
    sa.Column("browser", sa.String(BROWSER_CHARACTERS), nullable=False),
    sa.Column("token", sa.String(64), nullable=False, unique=True),
    sa.Column("left_answer", _reference("answer.id"), nullable=False),
    sa.Column("right_answer", _reference("answer.id"), nullable=False),
    sa.Column("unblinded", sa.Boolean, nullable=False),
    sa.Column("ranked_answers", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("expires", sa.Float(53), nullable=False),
    sa.Column("held_until", sa.Float(53), nullable=False),
    sa.UniqueConstraint("session_id", "browser"),
)

vote_events = sa.Table(
    "vote_event",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("session_id", _reference("session.id"), nullable=False),
    sa.Column("pair_id", _reference("pair.id"), nullable=False, index=True),
    sa.Column("annotator", sa.Text, nullable=False),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("choice", sa.String(10), nullable=False),
    sa.Column("left_model", sa.Text, nullable=False),
    sa.Column("right_model", sa.Text, nullable=False),
    sa.Column("seconds", sa.Float(53), nullable=False),
    sa.Column("key", sa.String(200), nullable=False, unique=True),
    sa.Column("undoes", _reference("vote_event.id"), nullable=True, unique=True),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("browser", sa.String(BROWSER_CHARACTERS), nullable=False, server_default=""),
    sa.Column("unblinded", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("strength", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("aspects", sa.JSON, nullable=False, server_default=sa.text("'{}'")),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("edited_text", sa.Text, nullable=False, server_default=""),
    sa.Column("edited_side", sa.String(10), nullable=False, server_default=""),
    sa.Column("ranking", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("guideline", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Index("vote_event_of_annotator", "session_id", "annotator"),
)

session_events = sa.Table(
    "session_event",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("session_id", _reference("session.id"), nullable=False, index=True),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("annotator", sa.Text, nullable=False),
    sa.Column("browser", sa.String(BROWSER_CHARACTERS), nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("subject", sa.Text, nullable=False, server_default=""),
)

session_notes = sa.Table(
    "session_note",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("session_id", _reference("session.id"), nullable=False, unique=True),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)

people = sa.Table(
    "person",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("name_key", sa.String(250), nullable=False, unique=True),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("logins", sa.Integer, nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
)

invitations = sa.Table(
    "invitation",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("person_id", _reference("person.id"), nullable=True, index=True),
    sa.Column("expires", sa.Float(53), nullable=False),
    sa.Column("used", sa.String(40), nullable=False),
    sa.Column("created_by", sa.String(80), nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
)

people_events = sa.Table(
    "people_event",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("actor", sa.String(80), nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
)

hub_accounts = sa.Table(
    "hub_account",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("person_id", _reference("person.id"), nullable=False, unique=True),
    sa.Column("hub_id", sa.String(80), nullable=False, unique=True),
    sa.Column("hub_name", sa.String(100), nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
)

people_settings = sa.Table(
    "people_setting",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("value", sa.String(200), nullable=False),
)
