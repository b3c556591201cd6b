"""What a customer is told when something did not work: what it is, and what to do."""

from __future__ import annotations

from enum import Enum, auto

from discord import ui

from moddy.errors import (
    BackendContractBroken,
    BackendNotFound,
    BackendUnauthorized,
    ModdyError,
)
from moddy.views.language import language_for
from moddy.views.layout import Colour, card
from moddy.views.texts import name_line

_ERROR_ID_LENGTH = 100


class Problem(Enum):
    """The kinds of trouble that a customer can tell apart."""

    UNAVAILABLE = auto()
    ACCOUNT_NOT_LINKED = auto()
    MISCONFIGURED = auto()
    UNEXPECTED = auto()

    @classmethod
    def of(cls, error: BaseException) -> Problem:
        """Return what `error` is to a customer."""
        if isinstance(error, BackendNotFound):
            return cls.ACCOUNT_NOT_LINKED
        if isinstance(error, BackendUnauthorized | BackendContractBroken):
            return cls.MISCONFIGURED
        if isinstance(error, ModdyError) and error.retryable:
            return cls.UNAVAILABLE
        return cls.UNEXPECTED


def problem_view(problem: Problem, *, error_id: str, locale: str) -> ui.LayoutView:
    """Return an apology with what to do; `error_id` lets staff find the log lines."""
    language = language_for(locale)
    texts = {
        Problem.UNAVAILABLE: language.gettext(
            "Our billing service is not answering right now. Please try again in a few minutes."
        ),
        Problem.ACCOUNT_NOT_LINKED: language.gettext(
            "No account on our website is linked to your Discord account. Sign in on the website "
            "with Discord, then try again."
        ),
        Problem.MISCONFIGURED: language.gettext(
            "Something is set up wrongly on our side, so trying again will not help. Please tell "
            "our support, with the number below."
        ),
        Problem.UNEXPECTED: language.gettext(
            "Something went wrong on our side. Please try again; if it happens again, tell our "
            "support, with the number below."
        ),
    }
    # Escaped: a request's id may be the caller's own words.
    shown = name_line(error_id, _ERROR_ID_LENGTH)
    return card(
        Colour.WARNING if problem is Problem.UNAVAILABLE else Colour.PROBLEM,
        language.gettext("That did not work"),
        texts[problem],
        footer=language.gettext("Error {error_id}").format(error_id=shown) if shown else None,
    )
