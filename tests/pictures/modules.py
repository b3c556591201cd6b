"""What the guild modules send."""

from __future__ import annotations

from discord import ui

from moddy.views.language import language_for
from moddy.views.modules.restored import restored_view
from moddy.views.modules.welcome import welcome_view
from tests.pictures.cast import AVATAR, Cast, Layout


def restored(*, may_manage: bool) -> Layout:
    """Return the layout of the note that a returning member has their roles again."""

    def layout(cast: Cast) -> ui.LayoutView:
        return restored_view(
            cast.customer,
            given=[cast.role] if may_manage else [],
            withheld=[] if may_manage else [cast.role],
            may_manage=may_manage,
            language=language_for(cast.locale),
        )

    return layout


def welcome(cast: Cast) -> ui.LayoutView:
    """Return a welcome with an image."""
    text = f"Welcome <@{cast.customer}>! You are member number 1,204 of **Moddy HQ**."
    return welcome_view(text, colour=0x8E5BD0, image_url=AVATAR)


LAYOUTS: dict[str, Layout] = {
    "roles restored": restored(may_manage=True),
    "roles not restored": restored(may_manage=False),
    "welcome with an image": welcome,
}
