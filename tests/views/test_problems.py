from __future__ import annotations

import pytest
from hypothesis import given, settings

from moddy.errors import (
    BackendContractBroken,
    BackendNotFound,
    BackendRefused,
    BackendUnauthorized,
    BackendUnavailable,
    DiscordUnavailable,
    MissingPermissions,
    StoreUnavailable,
)
from moddy.views.problems import Problem, problem_view
from tests.views.reading import assert_within_limits, hostile_texts, plain_text


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (BackendUnavailable("timeout", status=502), Problem.UNAVAILABLE),
        (StoreUnavailable(), Problem.UNAVAILABLE),
        (DiscordUnavailable("slow"), Problem.UNAVAILABLE),
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
    ],
)
def test_each_problem_says_what_to_do_and_its_number(
    problem: Problem, english: str, french: str
) -> None:
    for locale, words, number in (("en-US", english, "Error 3f9a"), ("fr", french, "Erreur 3f9a")):
        text = plain_text(problem_view(problem, error_id="3f9a", locale=locale))
        assert words in text
        assert text.splitlines()[-1] == f"-# {number}"


def test_each_problem_is_told_in_its_own_words() -> None:
    told = {plain_text(problem_view(one, error_id="1", locale="fr")) for one in Problem}
    assert len(told) == len(Problem)


@settings(deadline=None)
@given(hostile_texts())
def test_any_error_id_fits(error_id: str) -> None:
    assert_within_limits(problem_view(Problem.UNEXPECTED, error_id=error_id, locale="en-US"))
