"""``@Moddy sup.…``, as messages of real people in a server and in direct messages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import discord
import pytest

from moddy.errors import BackendRefused, BackendTimeout
from moddy.models import SubscriptionInfoResponse
from moddy.sandbox.world import AGENT, CUSTOMER, SUPERVISOR
from moddy.staff import AuditOutcome, Refusal, StaffAction, StaffRole
from moddy.store import users
from moddy.store.database import Database
from tests.cogs.conftest import answers, text
from tests.cogs.staff_office import StaffOffice, open_staff_office, read, refused

PUBLIC = refused(Refusal.PUBLIC_CHANNEL)
NOT_STAFF = refused(Refusal.NOT_STAFF)
COMMANDS = pytest.mark.parametrize(
    ("words", "action"),
    [
        ("sup.subscription <@{customer}>", StaffAction.VIEW_SUBSCRIPTION),
        ("sup.invoices <@{customer}> 3", StaffAction.VIEW_INVOICES),
        ("sup.refund <@{customer}> 5.00 late", StaffAction.PROPOSE_REFUND),
    ],
)


@pytest.fixture
async def office(database: Database) -> AsyncIterator[StaffOffice]:
    async with open_staff_office(database) as office:
        yield office


async def speak_french(office: StaffOffice) -> None:
    await office.stage.database.transaction(
        lambda c: users.save_locale(c, office.user_id(AGENT), "fr")
    )


@COMMANDS
@pytest.mark.parametrize("french", [False, True], ids=["en", "fr"])
@pytest.mark.parametrize("where", ["dm", "staff"])
async def test_answered_in_staff_channels_and_direct_messages(
    office: StaffOffice, words: str, action: StaffAction, where: str, french: bool
) -> None:
    if french:
        await speak_french(office)
    channel = office.world.staff_channel if where == "staff" else None
    customer = office.user_id(CUSTOMER)
    [answer] = await office.mention(AGENT, words.format(customer=customer), channel=channel)
    assert str(customer) in read(answer)
    assert ("Client :" in read(answer).replace("\N{NO-BREAK SPACE}", " ")) is french
    assert await office.noted() == [(action, AuditOutcome.ALLOWED)]
    assert answer.reference is not None
    bodies = [one[2] for one in office.world.env.backend.transcript if one[0] == "HTTP"]
    [sent] = [body for body in bodies if body and "message_reference" in body]
    assert sent["allowed_mentions"] == {"parse": []}


@COMMANDS
async def test_nothing_of_a_customer_where_everybody_reads(
    office: StaffOffice, words: str, action: StaffAction
) -> None:
    written = words.format(customer=office.user_id(CUSTOMER))
    [answer] = await office.mention(AGENT, written, channel=office.world.general)
    assert read(answer) == PUBLIC
    assert office.backend.calls == []
    [entry] = await office.trail()
    assert (entry.action, entry.outcome) == (action, AuditOutcome.REFUSED)
    assert entry.detail == "public_channel"
    assert entry.subject_id == office.user_id(CUSTOMER)


async def test_who_is_no_staff_learns_only_that(office: StaffOffice) -> None:
    words = f"sup.subscription <@{office.user_id(CUSTOMER)}>"
    for channel in (None, office.world.general):
        [answer] = await office.mention(CUSTOMER, words, channel=channel)
        assert read(answer) == NOT_STAFF
    for slip in ("sup.help", "sup.nothing", "sup.refund", "sup.invoices x"):
        [answer] = await office.mention(CUSTOMER, slip, channel=office.world.general)
        assert read(answer) == NOT_STAFF
    assert {outcome for _, outcome in await office.noted()} == {AuditOutcome.REFUSED}
    assert len(await office.noted()) == 6


async def test_threads(office: StaffOffice) -> None:
    """A thread of a channel that everybody reads is read by everybody, unless it is private."""
    general = office.bot.get_channel(office.world.general.id)
    assert isinstance(general, discord.TextChannel)
    open_thread = await general.create_thread(name="open", type=discord.ChannelType.public_thread)
    closed_thread = await general.create_thread(
        name="closed", type=discord.ChannelType.private_thread
    )
    await closed_thread.add_user(discord.Object(int(office.user_id(AGENT))))
    words = f"sup.subscription {office.user_id(CUSTOMER)}"
    seen = {}
    for thread in (open_thread, closed_thread):
        [handle] = [one for one in office.world.general.threads if one.id == thread.id]
        [answer] = await office.mention(AGENT, words, channel=handle)
        seen[thread.name] = read(answer) == PUBLIC
    assert seen == {"open": True, "closed": False}


@pytest.mark.parametrize("french", [False, True], ids=["en", "fr"])
async def test_help_and_hints_may_be_read_by_everybody(office: StaffOffice, french: bool) -> None:
    if french:
        await speak_french(office)
    general = office.world.general
    [answer] = await office.mention(AGENT, "sup.help", channel=general)
    for words in ("sup.subscription", "sup.invoices", "sup.refund", "sup.help"):
        assert f"`@Moddy {words}" in read(answer)
    for words in ("sup.nothing", "SUP.HELP", "sup.", "sup.subscription\u200b <@1>"):
        [hint] = await office.mention(AGENT, words, channel=general)
        assert "`@Moddy sup.help`" in read(hint)
        assert ("n\N{RIGHT SINGLE QUOTATION MARK}existe pas" in read(hint)) is french


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        ("sup.subscription", "@Moddy sup.subscription @user"),
        ("sup.subscription Ada", "@Moddy sup.subscription @user"),
        ("sup.subscription <@1> <@2>", "@Moddy sup.subscription @user"),
        ("sup.invoices <@1> 0", "@Moddy sup.invoices @user [limit]"),
        ("sup.invoices <@1> 51", "@Moddy sup.invoices @user [limit]"),
        ("sup.invoices <@1> 5 5", "@Moddy sup.invoices @user [limit]"),
        ("sup.refund", "@Moddy sup.refund @user <amount|full> [reason]"),
        ("sup.refund 20 <@1>", "@Moddy sup.refund @user <amount|full> [reason]"),
        ("sup.refund full", "@Moddy sup.refund @user <amount|full> [reason]"),
    ],
)
async def test_what_cannot_be_read_is_answered_with_how_to_write_it(
    office: StaffOffice, words: str, usage: str
) -> None:
    [answer] = await office.mention(AGENT, words)
    assert f"`{usage}`" in read(answer)
    assert office.backend.calls == []
    assert await office.noted() == [(StaffAction.READ_HELP, AuditOutcome.ALLOWED)]


@pytest.mark.parametrize(
    "rest", ["", "20 20", "20 full", "full full", "full 20", "Full", "all", "0", "20.0", "$20"]
)
async def test_an_odd_amount_is_answered_with_the_two_ways(office: StaffOffice, rest: str) -> None:
    words = f"sup.refund <@{office.user_id(CUSTOMER)}> {rest}"
    [answer] = await office.mention(AGENT, words)
    assert read(answer) == refused(Refusal.AMOUNT_UNCLEAR)
    assert await office.noted() == [(StaffAction.PROPOSE_REFUND, AuditOutcome.REFUSED)]


@pytest.mark.parametrize(
    "opening",
    [
        "<@{moddy}> ",
        "<@!{moddy}> ",
        "<@{moddy}>  ",
        "<@{moddy}>\n",
        "<@{moddy}>",
        "  <@{moddy}> ",
        "\u2068<@{moddy}>\u2069 ",
        "<@{moddy}>\N{NO-BREAK SPACE}",
    ],
    ids=repr,
)
async def test_the_mention_however_it_is_written(office: StaffOffice, opening: str) -> None:
    assert office.bot.user is not None
    written = opening.format(moddy=office.bot.user.id) + "sup.help"
    [answer] = await office.write(AGENT, written, channel=office.world.staff_channel)
    assert "sup.refund" in read(answer)


@pytest.mark.parametrize(
    "written",
    ["<@{moddy}>", "<@{moddy}> hello", "hello <@{moddy}> sup.help", "sup.help", "<@{moddy}> help"],
)
async def test_other_messages_are_left_alone(office: StaffOffice, written: str) -> None:
    assert office.bot.user is not None
    content = written.format(moddy=office.bot.user.id)
    for channel in (None, office.world.general, office.world.staff_channel):
        assert await office.write(AGENT, content, channel=channel) == []
    assert await office.noted() == []


async def test_edits_bots_and_webhooks_are_left_alone(office: StaffOffice) -> None:
    assert office.bot.user is not None
    command = f"<@{office.bot.user.id}> sup.help"
    channel, member = office.world.staff_channel, office.world.members[AGENT]
    sent = await member.send(channel, "sup.help")
    await member.edit(sent, command)
    assert await office.written_after(sent) == []
    webhook = office.world._guild.create_webhook(channel)
    assert await office.written_after(await webhook.send(command)) == []
    robot = office.world._guild.add_member(office.world.env.create_user("robot", bot=True))
    assert await office.written_after(await robot.send(office.world.general, command)) == []
    assert await office.noted() == []


async def test_language_of_the_server_where_the_persons_is_not_known(office: StaffOffice) -> None:
    guild = office.world.env.backend.get_guild(int(office.world.guild_id))
    known = office.bot.get_guild(guild.id)
    assert known is not None
    await known.edit(preferred_locale=discord.Locale.french)
    [there] = await office.mention(AGENT, "sup.help", channel=office.world.staff_channel)
    assert "Commandes de l\N{RIGHT SINGLE QUOTATION MARK}équipe" in read(there)
    [here] = await office.mention(AGENT, "sup.help")
    assert "Commands for staff" in read(here)


async def test_trouble_is_told_with_a_number_and_the_backends_words(
    office: StaffOffice, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"sup.subscription <@{office.user_id(CUSTOMER)}>"
    for error, sentence in (
        (BackendRefused("Stripe error: No such customer", status=500), "No such customer"),
        (BackendTimeout("x"), "took too long to answer"),
        (RuntimeError("secret words"), "Something went wrong on our side"),
    ):
        office.backend.error = error
        [answer] = await office.mention(AGENT, words)
        assert sentence in read(answer)
        assert "secret" not in read(answer)
        number = read(answer).rpartition("Error ")[2]
        assert len(number) == 8
        assert f"error_id={number}" in capsys.readouterr().out
    office.backend.error = None
    office.backend.subscription = SubscriptionInfoResponse(
        success=False, message="User not found", has_subscription=False
    )
    [answer] = await office.mention(AGENT, words)
    assert "**The website says:** User not found" in read(answer)


async def test_broken_store_is_told(office: StaffOffice) -> None:
    await office.break_store("staff")
    for words in (f"sup.subscription {office.user_id(CUSTOMER)}", "sup.help", "sup.nothing"):
        [answer] = await office.mention(AGENT, words)
        assert "That did not work" in read(answer)


async def test_cooldown(office: StaffOffice) -> None:
    answers = [(await office.mention(AGENT, "sup.help"))[0] for _ in range(21)]
    assert "Commands for staff" in read(answers[19])
    assert "a little too fast" in read(answers[20])
    assert len(await office.noted()) == 20
    office.seconds += 31
    [answer] = await office.mention(AGENT, "sup.help")
    assert "Commands for staff" in read(answer)


async def test_deleted_message_and_closed_channel_are_survived(
    office: StaffOffice, capsys: pytest.CaptureFixture[str]
) -> None:
    office.world.env.inject_error(
        "POST",
        f"/channels/{office.world.staff_channel.id}/messages",
        status=403,
        code=50001,
        message="Missing Access",
    )
    assert await office.mention(AGENT, "sup.help", channel=office.world.staff_channel) == []
    assert "message not answered" in capsys.readouterr().out
    assert await office.mention(AGENT, "sup.help", channel=office.world.staff_channel) != []


async def test_buttons_of_a_reply_work_for_a_colleague(office: StaffOffice) -> None:
    """Staff go on from each other's answers; what they then see is theirs alone."""
    await office.appoint_person(SUPERVISOR, StaffRole.SUPERVISOR, may_manage=False)
    words = f"sup.subscription {office.user_id(CUSTOMER)}"
    channel = office.world.staff_channel
    [answer] = await office.mention(AGENT, words, channel=channel)
    supervisor = office.world.members[SUPERVISOR]
    [shown] = answers(await supervisor.click(answer, label="Invoices"))
    assert "Invoices of a customer" in text(shown)
    await office.forget_staff()
    [shown] = answers(await supervisor.click(answer, label="Account"))
    assert text(shown) == NOT_STAFF
    assert [entry.outcome for entry in await office.trail()] == [
        AuditOutcome.ALLOWED,
        AuditOutcome.ALLOWED,
        AuditOutcome.REFUSED,
    ]
