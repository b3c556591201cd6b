"""What staff can ask Moddy, and how it is written."""

from __future__ import annotations

from enum import Enum

from discord import ui

from moddy.views.language import Language, language_for
from moddy.views.layout import Colour, card


class Topic(Enum):
    """The commands that are used by mentioning Moddy."""

    SUBSCRIPTION = "sup.subscription"
    INVOICES = "sup.invoices"
    REFUND = "sup.refund"
    HELP = "sup.help"


def help_view(*, locale: str) -> ui.LayoutView:
    """Return all commands for staff."""
    language = language_for(locale)
    return card(
        Colour.NEUTRAL,
        language.gettext("Commands for staff"),
        "\n".join(f"- {_usage(topic, language)} · {_gain(topic, language)}" for topic in Topic),
        language.gettext(
            "The user may be a mention or an id. Moddy answers in staff channels and in direct "
            "messages, not where everybody can read it."
        ),
        language.gettext(
            "`/admin` has the same, for your eyes only, and more: accounts, deliveries, the "
            "staff, and what the staff did."
        ),
    )


def usage_view(topic: Topic, *, locale: str) -> ui.LayoutView:
    """Return how a command is written, for somebody who wrote it otherwise."""
    language = language_for(locale)
    return card(
        Colour.WARNING,
        language.gettext("That could not be read"),
        language.gettext("It is written like this: {usage}").format(usage=_usage(topic, language)),
        footer=language.gettext("`@Moddy sup.help` shows all commands."),
    )


def unknown_command_view(*, locale: str) -> ui.LayoutView:
    """Return where the commands can be looked up."""
    language = language_for(locale)
    return card(
        Colour.WARNING,
        language.gettext("There is no such command"),
        language.gettext("`@Moddy sup.help` shows all commands."),
    )


def _usage(topic: Topic, language: Language) -> str:
    usage = {
        Topic.SUBSCRIPTION: language.gettext("@Moddy sup.subscription @user"),
        Topic.INVOICES: language.gettext("@Moddy sup.invoices @user [limit]"),
        Topic.REFUND: language.gettext("@Moddy sup.refund @user <amount|full> [reason]"),
        Topic.HELP: "@Moddy sup.help",
    }
    return f"`{usage[topic]}`"


def _gain(topic: Topic, language: Language) -> str:
    return {
        Topic.SUBSCRIPTION: language.gettext("how a customer's subscription stands"),
        Topic.INVOICES: language.gettext("a customer's newest invoices, 1 to 50 of them"),
        Topic.REFUND: language.gettext(
            "refund a part or all of the last payment; nothing is done before you confirm it"
        ),
        Topic.HELP: language.gettext("this"),
    }[topic]
