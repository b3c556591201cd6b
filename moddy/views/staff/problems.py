"""What staff are told when something did not work: as customers, and what the backend said."""

from __future__ import annotations

from discord import ui

from moddy.errors import BackendError, BackendNotFound
from moddy.views.facts import fact
from moddy.views.language import language_for
from moddy.views.layout import Colour, card
from moddy.views.problems import Problem, problem_view
from moddy.views.texts import name_line

# In UTF-16 units.
_REASON_LENGTH = 1000
_ERROR_ID_LENGTH = 100


def staff_problem_view(
    error: Exception, *, locale: str, error_id: str | None = None, retry_after: float | None = None
) -> ui.LayoutView:
    """Return what is the matter; the backend's own words are for staff, who may act on them."""
    language = language_for(locale)
    reason = error.reason if isinstance(error, BackendError) else None
    shown = name_line(reason, _REASON_LENGTH) if reason else None
    if shown is None and not isinstance(error, BackendNotFound):
        return problem_view(
            Problem.of(error), locale=locale, error_id=error_id, retry_after=retry_after
        )
    number = name_line(error_id, _ERROR_ID_LENGTH) if error_id else None
    return card(
        Colour.PROBLEM,
        language.gettext("That did not work"),
        language.gettext("The website knows nothing of this user.")
        if isinstance(error, BackendNotFound)
        else None,
        fact(language.gettext("The website says:"), shown),
        footer=language.gettext("Error {error_id}").format(error_id=number) if number else None,
    )
