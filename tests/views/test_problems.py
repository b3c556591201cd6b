from __future__ import annotations

import pytest
from hypothesis import given, settings

from moddy.errors import (
    BackendContractBroken,
    BackendNotFound,
    BackendPaused,
    BackendRefused,
    BackendTimeout,
    BackendUnauthorized,
    BackendUnavailable,
    ControlNotYours,
    ControlOutOfDate,
    DiscordUnavailable,
    MissingPermissions,
    StoreUnavailable,
    TooSoon,
)
from moddy.views.problems import Problem, problem_view
from tests.views.reading import assert_within_limits, hostile_texts, plain_text


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (BackendUnavailable("timeout", status=502), Problem.UNAVAILABLE),
        (BackendPaused(retry_after=3), Problem.UNAVAILABLE),
        (BackendTimeout("slow"), Problem.TIMEOUT),
        (StoreUnavailable(), Problem.MOMENTARY),
        (DiscordUnavailable("slow"), Problem.MOMENTARY),
        (ControlOutOfDate(), Problem.OUT_OF_DATE),
        (ControlNotYours(), Problem.NOT_YOURS),
        (TooSoon(retry_after=3), Problem.TOO_SOON),
        (BackendNotFound("404", status=404), Problem.ACCOUNT_NOT_LINKED),
        (BackendUnauthorized("403", status=403), Problem.MISCONFIGURED),
        (BackendContractBroken("answer"), Problem.MISCONFIGURED),
        (BackendRefused("Stripe error", status=500), Problem.UNEXPECTED),
        (MissingPermissions("no"), Problem.UNEXPECTED),
        (ZeroDivisionError(), Problem.UNEXPECTED),
    ],
)
def test_what_an_error_is_to_a_customer(error: Exception, problem: Problem) -> None:
    assert Problem.of(error) is problem


@pytest.mark.parametrize(
    ("problem", "english", "french"),
    [
        (Problem.UNAVAILABLE, "try again in a few minutes", "réessayer dans quelques minutes"),
        (
            Problem.ACCOUNT_NOT_LINKED,
            "Sign in on the website with Discord",
            "Connectez-vous sur le site",
        ),
        (Problem.MISCONFIGURED, "tell our support", "contacter notre support"),
        (Problem.UNEXPECTED, "Please try again", "Veuillez réessayer"),
        (Problem.TIMEOUT, "try again in a minute", "réessayer dans une minute"),
        (Problem.MOMENTARY, "Moddy cannot do that", "Moddy ne peut pas"),
    ],
)
def test_each_problem_says_what_to_do_and_its_number(
    problem: Problem, english: str, french: str
) -> None:
    for locale, words, number in (("en-US", english, "Error 3f9a"), ("fr", french, "Erreur 3f9a")):
        text = plain_text(problem_view(problem, error_id="3f9a", locale=locale))
        assert words in text
        assert text.splitlines()[-1] == f"-# {number}"


@pytest.mark.parametrize("locale", ["en-US", "fr"])
def test_each_problem_is_told_in_its_own_words(locale: str) -> None:
    told = {plain_text(problem_view(one, error_id="1", locale=locale)) for one in Problem}
    assert len(told) == len(Problem)


def test_what_is_no_failure_has_no_number() -> None:
    refusals = [one for one in Problem if not one.is_failure]
    assert refusals == [Problem.OUT_OF_DATE, Problem.NOT_YOURS, Problem.TOO_SOON]
    for one in refusals:
        assert "Err" not in plain_text(problem_view(one, locale="en-US"))


@pytest.mark.parametrize(
    ("retry_after", "english", "french"),
    [
        (None, "in 1 second.", "dans 1 seconde."),
        (0.2, "in 1 second.", "dans 1 seconde."),
        (1.2, "in 2 seconds.", "dans 2 secondes."),
        (12, "in 12 seconds.", "dans 12 secondes."),
    ],
)
def test_how_long_to_wait(retry_after: float | None, english: str, french: str) -> None:
    for locale, words in (("en-US", english), ("fr", french)):
        view = problem_view(Problem.TOO_SOON, locale=locale, retry_after=retry_after)
        assert plain_text(view).endswith(words)


@settings(deadline=None)
@given(hostile_texts())
def test_any_error_id_fits(error_id: str) -> None:
    assert_within_limits(problem_view(Problem.UNEXPECTED, error_id=error_id, locale="en-US"))
