"""People and moments as staff see them: a mention that pings nobody, beside what can be copied."""

from __future__ import annotations

from datetime import datetime

from moddy.models import Snowflake
from moddy.views import facts
from moddy.views.texts import name_line

# In UTF-16 units. An id of Stripe has at most 255 characters, and usually below 40.
_ID_LENGTH = 100


def person(user_id: Snowflake) -> str:
    """Return a user by mention and id: who shares no server with the reader has no name there."""
    return f"<@{user_id}> ({user_id})"


def shown_id(text: str | None) -> str | None:
    """Return an id of the backend's, which customers never see."""
    return name_line(text, _ID_LENGTH) if text else None


def moment(at: datetime | None) -> str | None:
    """Return a date with its time, in the reader's own time zone and language."""
    return f"<t:{int(facts.in_utc(at).timestamp())}:f>" if at is not None else None


def ago(at: datetime) -> str:
    """Return how long ago a moment was, kept up to date by Discord."""
    return f"<t:{int(facts.in_utc(at).timestamp())}:R>"
