"""What a customer is told when something did not work: what it is, and what to do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum, auto

from discord import ui

from moddy.errors import (
    BackendContractBroken,
    BackendNotFound,
    BackendTimeout,
    BackendUnauthorized,
    BackendUnavailable,
    ControlNotYours,
    ControlOutOfDate,
    ModdyError,
    TooSoon,
)
from moddy.views.language import Language, language_for
from moddy.views.layout import Colour, card
from moddy.views.texts import name_line

_ERROR_ID_LENGTH = 100


class Problem(Enum):
    """The kinds of trouble that a customer can tell apart."""

    UNAVAILABLE = auto()
    TIMEOUT = auto()
    MOMENTARY = auto()
    ACCOUNT_NOT_LINKED = auto()
    MISCONFIGURED = auto()
    UNEXPECTED = auto()
    OUT_OF_DATE = auto()
    NOT_YOURS = auto()
    TOO_SOON = auto()

    @property
    def is_failure(self) -> bool:
        """Whether something failed, so that staff may want to look for it in the log."""
        return self not in {Problem.OUT_OF_DATE, Problem.NOT_YOURS, Problem.TOO_SOON}

    @classmethod
    def of(cls, error: BaseException) -> Problem:
        """Return what `error` is to a customer."""
        for kind, problem in _PROBLEMS.items():
            if isinstance(error, kind):
                return problem
        if isinstance(error, ModdyError) and error.retryable:
            return cls.MOMENTARY
        return cls.UNEXPECTED


_PROBLEMS: Mapping[type[ModdyError], Problem] = {
    BackendTimeout: Problem.TIMEOUT,
    BackendUnavailable: Problem.UNAVAILABLE,
    BackendNotFound: Problem.ACCOUNT_NOT_LINKED,
    BackendUnauthorized: Problem.MISCONFIGURED,
    BackendContractBroken: Problem.MISCONFIGURED,
    ControlOutOfDate: Problem.OUT_OF_DATE,
    ControlNotYours: Problem.NOT_YOURS,
    TooSoon: Problem.TOO_SOON,
}
_SEVERE = frozenset({Problem.MISCONFIGURED, Problem.ACCOUNT_NOT_LINKED, Problem.UNEXPECTED})


def problem_view(
    problem: Problem, *, locale: str, error_id: str | None = None, retry_after: float | None = None
) -> ui.LayoutView:
    """Return what is the matter and what to do.

    `error_id` lets staff find the log lines; `retry_after` is in seconds.
    """
    language = language_for(locale)
    # Escaped: a request's id may be the caller's own words.
    shown = name_line(error_id, _ERROR_ID_LENGTH) if error_id else None
    return card(
        Colour.PROBLEM if problem in _SEVERE else Colour.WARNING,
        _heading(problem, language),
        _too_soon(retry_after, language)
        if problem is Problem.TOO_SOON
        else _advice(problem, language),
        footer=language.gettext("Error {error_id}").format(error_id=shown) if shown else None,
    )


def _heading(problem: Problem, language: Language) -> str:
    headings = {
        Problem.OUT_OF_DATE: language.gettext("This button is out of date"),
        Problem.NOT_YOURS: language.gettext("This is not yours"),
        Problem.TOO_SOON: language.gettext("One moment, please"),
    }
    return headings.get(problem) or language.gettext("That did not work")


def _advice(problem: Problem, language: Language) -> str:
    return {
        Problem.UNAVAILABLE: language.gettext(
            "Our billing service is not answering right now. Please try again in a few minutes."
        ),
        Problem.TIMEOUT: language.gettext(
            "Our billing service took too long to answer. That mostly passes by itself: please "
            "try again in a minute."
        ),
        Problem.MOMENTARY: language.gettext(
            "Moddy cannot do that at the moment. Please try again in a few minutes."
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
        Problem.OUT_OF_DATE: language.gettext("Please use the command again to get a new one."),
        Problem.NOT_YOURS: language.gettext(
            "It was shown to somebody else. Use the command yourself to get your own."
        ),
    }[problem]


def _too_soon(retry_after: float | None, language: Language) -> str:
    seconds = max(1, math.ceil(retry_after or 0))
    text = language.ngettext(
        "You are asking a little too fast. Please try again in {count} second.",
        "You are asking a little too fast. Please try again in {count} seconds.",
        seconds,
    )
    return text.format(count=seconds)
