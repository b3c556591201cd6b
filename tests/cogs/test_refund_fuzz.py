"""A thousand odd refund commands, through both doors, with odd presses and odd ends."""

from __future__ import annotations

import random
import re
import string
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from moddy.cogs.mention_words import read_refund
from moddy.cogs.refund_desk import RefundDesk
from moddy.errors import BackendError, StaffRefused
from moddy.models import Snowflake
from moddy.sandbox.world import AGENT, SUPERVISOR, World
from moddy.services.refund_calls import LOST_AFTER
from moddy.services.refund_rules import Limits
from moddy.staff import AuditOutcome, StaffAction
from moddy.store.database import Database
from moddy.store.refunds import Refund, RefundState
from tests.cogs.conftest import buttons
from tests.cogs.refund_office import RefundOffice
from tests.services.refund_stage import ANNA, BERT, Fault, Killed, RefundStage
from tests.views.reading import NASTY

THROUGH_DISCORD = 300
AT_THE_DESK = 700
INVOICE_MINOR = 9_900
ALIVE = tuple(one for one in Fault if one not in (Fault.KILLED_BEFORE, Fault.KILLED_AFTER))
Step = Callable[[Snowflake, str], Awaitable[Refund]]
NUMBERS = ("20", "20.00", "5,00", "€20", "0.01", "99", "99.00", "99,00", "98.99", "50.01")
INVISIBLE = ("\u200b", "\u00ad", "\u2066", "\u0301")
LOOKALIKES = ("\uff46ull", "fu\u217c\u217c", "\u017full", "f\u03c5ll", "ＦＵＬＬ")  # noqa: RUF001
ODD = (
    *(
        "Full",
        "FULL",
        "fulll",
        "ful",
        "fll",
        "full.",
        '"full"',
        "`full`",
        "*full*",
        "full,",
        "-full",
    ),
    *("full full", "fullfull", "full=full", "full-refund", "all", "everything", "null", "None"),
    *("-1", "0", "+20", "1e2", "20€", "20 EUR", "$20", "1,000.00", "1.000,00", "20.0", "20..00"),
    *("NaN", "inf", "0x14", "99999999999", "20;full", "20/full", "true", "*", "100%", "{}", "'"),
)


def amount(rng: random.Random) -> str:
    """Return what somebody may write for an amount; one in ten is the word itself."""
    kind = rng.randrange(10)
    if kind == 0:
        return "full"
    if kind < 4:
        return rng.choice(NUMBERS)
    if kind < 7:
        return rng.choice(ODD)
    if kind == 7:
        return rng.choice((*LOOKALIKES, *NASTY))
    word = rng.choice(("full", *NUMBERS))
    place = rng.randrange(len(word) + 1)
    slip: str = rng.choice((*INVISIBLE, *"ful 0129.,-€\n", word))
    return word[:place] + slip + word[place + rng.randrange(2) :]


def reason(rng: random.Random) -> str:
    return rng.choice(("", "late", "full story", "asked for all of it", "a@b.example", "<@1> full"))


def is_literally_full(words: str) -> bool:
    """Tell whether the amount is the one word, and no second one follows."""
    first, *others = words.split()
    second = others[0] if others else ""
    is_amount = re.match(r"\W?\d", second) or second.strip(string.punctuation) == "full"
    return first == "full" and not is_amount


def says(words: str, minor: int) -> bool:
    """Tell whether an amount in cents stands in the text, as people write it."""
    whole, cents = divmod(minor, 100)
    spelled = [f"{whole}.{cents:02}", f"{whole},{cents:02}", *([str(whole)] if not cents else [])]
    return any(re.search(rf"(?<![\d.,]){re.escape(one)}(?![\d.,])", words) for one in spelled)


def assert_meant(refund: Refund, words: str) -> None:
    """Hold that nothing is proposed that does not stand in the words."""
    if refund.is_full:
        assert is_literally_full(words), words
    else:
        assert says(words, refund.amount_minor), (words, refund.amount_minor)


async def assert_sound(stage: RefundStage | RefundOffice, refunds: list[Refund]) -> None:
    """Hold that what was paid was confirmed by its agent, and approved where it has to be."""
    bank = stage.backend if isinstance(stage, RefundStage) else stage.bank
    trail = await stage.trail()
    done = {
        (one.action, one.refund_id, one.actor_id)
        for one in trail
        if one.outcome is AuditOutcome.ALLOWED
    }
    known = {f"refund-{one.id}": one for one in refunds}
    asked = [key for key, _ in bank.asked]
    assert None not in [minor for _, minor in bank.asked]
    for key in asked:
        assert (StaffAction.CONFIRM_REFUND, known[key].id, known[key].agent_id) in done
    for key, payment in bank.paid.items():
        refund = known[key]
        assert payment.amount_minor == refund.amount_minor
        assert refund.state in (RefundState.REFUNDED, RefundState.UNKNOWN, RefundState.SENDING)
        if refund.amount_minor > 5_000:
            assert refund.approver_id not in (None, refund.agent_id)


@pytest.fixture
async def office(database: Database) -> AsyncIterator[RefundOffice]:
    office = RefundOffice(database, World())
    async with office.world.connect(office.bot):
        for person in (AGENT, SUPERVISOR):
            await office.appoint_person(person)
        yield office


@pytest.mark.slow
@pytest.mark.parametrize("door", ["slash", "mention"])
async def test_commands_through_discord(office: RefundOffice, door: str) -> None:
    rng = random.Random(f"discord {door}")  # noqa: S311
    refunds: dict[str, Refund] = {}
    for number in range(THROUGH_DISCORD // 2):
        office.seconds += 10  # the cooldown is not what this is about
        office.stage.tick(301)
        if not number % 4:
            office.bank.bill(
                office.customer, invoice_id=f"in_{number + 2}", days_ago=-number / 4 / 24
            )
        words = amount(rng)
        before = len(office.bank.asked)
        if door == "slash":
            if not words.strip():
                continue
            answer = await office.refund(AGENT, words)
        else:
            words = f"{words} {reason(rng)}"
            answer = await office.refund_by_mention(AGENT, words)
        assert len(office.bank.asked) == before
        if "Confirm" not in buttons(answer):
            continue
        refund_id = next(
            one["custom_id"].partition(":")[2]
            for row in answer.components[0]["components"]
            for one in row.get("components", ())
        )
        refund = await office.refunds.find(refund_id)
        assert refund is not None
        assert_meant(refund, words)
        office.bank.faults = [rng.choice((*[Fault.NONE] * 7, *ALIVE)) for _ in range(2)]
        for _press in range(rng.randrange(6)):
            shown = office.present(answer)
            # Nobody here tells what they have not seen at Stripe.
            labels = [one for one in buttons(shown) if not one.startswith("Stripe says")]
            if labels:
                # What a slash command answers is for the agent's eyes only.
                person = rng.choice((AGENT, SUPERVISOR)) if door == "mention" else AGENT
                await office.click(person, shown, rng.choice((labels[0], *labels)))
        await settle(office, refund_id)
        settled = await office.refunds.find(refund_id)
        assert settled is not None
        refunds[refund_id] = settled
    await assert_sound(office, list(refunds.values()))
    assert len(office.bank.paid) > 5
    assert any(one.is_full for one in refunds.values())


async def settle(office: RefundOffice, refund_id: str) -> None:
    """Bring a refund to its end, so that the next command is about a new one."""
    office.bank.faults = []
    refund = await office.refunds.find(refund_id)
    assert refund is not None
    if refund.state is RefundState.AWAITING:
        await office.refunds.reject(office.user_id(SUPERVISOR), refund_id)
    if refund.state is RefundState.UNKNOWN:
        await office.refunds.ask_again(office.user_id(AGENT), refund_id)


@pytest.mark.slow
async def test_commands_at_the_desk(database: Database) -> None:
    """The rest, with processes that end between the intent and the answer."""
    rng = random.Random("desk")  # noqa: S311
    stage = RefundStage(
        database, limits=Limits(approval_above=5_000, daily_cap=10**9), channel_id=None
    )
    for person in (ANNA, BERT):
        await stage.employ(person)
    for number in range(AT_THE_DESK):
        customer = Snowflake(str(10**17 + number // 3))
        if not number % 3:
            stage.backend.bill(customer, invoice_id=f"in_{number}")
        await command(stage, rng, customer)
    everything = await stage.all_refunds()
    await assert_sound(stage, everything)
    told = await stage.messages()
    done = [f"refund-{one.id}" for one in everything if one.state is RefundState.REFUNDED]
    assert sorted(told) == sorted(done) == sorted(set(done))
    assert len(done) > 30
    assert any(one.is_full for one in everything if one.state is RefundState.REFUNDED)
    # Everything that was paid of an invoice is at most what it was.
    for customer in stage.backend.bills:
        paid = [p for p in stage.backend.paid.values() if p.customer_id == customer]
        assert sum(payment.amount_minor for payment in paid) <= INVOICE_MINOR


async def command(stage: RefundStage, rng: random.Random, customer: Snowflake) -> None:
    """Give one command, in the words of either door, and press what there is."""
    words, why = amount(rng), reason(rng)
    written = words
    if rng.randrange(2):
        written = f"{words} {why}"
        read = read_refund(f"<@{customer}> {written}")
        assert read is not None
        assert read.customer_id == customer
        words, why = read.amount, read.reason
    desk = RefundDesk(refunds=stage.refunds)
    before = {one.id for one in await stage.all_of(customer)}
    asked = len(stage.backend.asked)
    try:
        await desk.propose(rng.choice((ANNA, BERT)), customer, words, why, locale="fr")
    except StaffRefused:
        return
    assert len(stage.backend.asked) == asked
    for refund in await stage.all_of(customer):
        if refund.id not in before:
            assert_meant(refund, written)
        stage.backend.faults = [rng.choice((*[Fault.NONE] * 7, *Fault)) for _ in range(2)]
        for _press in range(rng.randrange(16)):
            await press(stage, rng, refund)


async def press(stage: RefundStage, rng: random.Random, refund: Refund) -> None:
    """Press a button as anybody, or have a new process find what the last one left."""
    steps: list[Step] = [
        stage.refunds.confirm,
        stage.refunds.confirm,
        stage.refunds.approve,
        stage.refunds.ask_again,
        stage.refunds.look,
    ]
    try:
        if rng.randrange(4):
            person = refund.agent_id if rng.randrange(4) else rng.choice((ANNA, BERT))
            await rng.choice(steps)(person, refund.id)
        else:
            stage.clock.advance(LOST_AFTER + timedelta(seconds=1))
            await stage.refunds.mark_lost()
    except (StaffRefused, BackendError, Killed):
        pass
