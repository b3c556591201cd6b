"""What a profile tells of premium: since when it is on, and the plan last told of."""

from __future__ import annotations

from datetime import timedelta

from moddy.models import NotifyAction
from moddy.services.premium import PremiumProfile, PremiumStatus
from tests.fakes import START
from tests.services.stage import ADA, BEN, Stage

OFF = PremiumStatus(premium=False)
ON = PremiumStatus(premium=True)
DAY = timedelta(days=1)


async def test_nothing_is_known_of_a_stranger(stage: Stage) -> None:
    assert await stage.premium.profile(ADA) == PremiumProfile(status=OFF)


async def test_since_the_moment_it_was_turned_on(stage: Stage) -> None:
    await stage.accept_notice()
    stage.clock.advance(DAY)
    await stage.accept_notice(NotifyAction.SUBSCRIPTION_UPDATED)
    await stage.accept_notice(user_id=BEN)
    found = await stage.premium.profile(ADA)
    assert found == PremiumProfile(status=ON, since=START, plan="moddy_max")


async def test_an_end_that_is_announced_is_no_new_start(stage: Stage) -> None:
    await stage.accept_notice()
    stage.clock.advance(DAY)
    end = START + 5 * DAY
    metadata = {"cancel_at_period_end": True, "current_period_end": end.isoformat()}
    await stage.accept_notice(NotifyAction.SUBSCRIPTION_CANCELLED, metadata=metadata)
    found = await stage.premium.profile(ADA)
    assert (found.status, found.since) == (PremiumStatus(premium=True, until=end), START)
    stage.clock.advance(5 * DAY)  # over, and not swept yet
    found = await stage.premium.profile(ADA)
    assert (found.status, found.since) == (OFF, None)


async def test_the_latest_start_counts(stage: Stage) -> None:
    await stage.accept_notice()
    stage.clock.advance(DAY)
    await stage.accept_notice(NotifyAction.SUBSCRIPTION_CANCELLED)
    assert (await stage.premium.profile(ADA)).since is None
    stage.clock.advance(DAY)
    await stage.accept_notice()
    assert (await stage.premium.profile(ADA)).since == START + 2 * DAY
