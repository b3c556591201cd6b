"""What only premium servers have.

A premium server is a server whose owner is premium. That is said here and nowhere else: it needs
no list of servers to keep, follows a transfer of the server at once, and ends with the
subscription.
"""

from __future__ import annotations

from enum import Enum

from moddy.models import Snowflake
from moddy.services.premium import Premium


class PremiumFeature(Enum):
    """What a server has to be premium for."""

    WELCOME_PICTURE = "welcome_picture"


class PremiumGate:
    """Answers "may this server use what is for premium servers?".

    `website_url` is where premium is to be had, None when nobody said.
    """

    def __init__(self, *, premium: Premium, website_url: str | None) -> None:
        self._premium = premium
        self.website_url = website_url

    async def is_open(self, owner_id: int | None) -> bool:
        """Tell whether a server with this owner is premium now. Raises StoreUnavailable.

        An owner who is not known is not premium.
        """
        if owner_id is None:
            return False
        return (await self._premium.status(Snowflake(owner_id))).premium
