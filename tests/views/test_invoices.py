from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from discord import ui
from hypothesis import given, settings
from hypothesis import strategies as st

from moddy.models import MAX_SNOWFLAKE, Invoice, InvoicesResponse, InvoiceStatus, Snowflake
from moddy.views.invoices import MAX_INVOICES, PER_PAGE, invoices_view
from tests.views.reading import (
    assert_within_limits,
    custom_ids,
    hostile_texts,
    labels,
    links,
    plain_text,
)

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
NOW = FIRST + timedelta(days=10)
PDF = "https://pay.stripe.example/invoice/acct_1/pdf?s=ap"
OWNER = Snowflake("100000000000000001")
WEBSITE = "https://moddy.example/account"


def invoice(
    day: float = 0, status: InvoiceStatus = InvoiceStatus.PAID, pdf: str | None = PDF
) -> Invoice:
    return Invoice(
        invoice_id="in_1Secret",
        amount=9900,
        currency="eur",
        status=status,
        created=FIRST + timedelta(days=day),
        invoice_pdf=pdf,
    )


def answer(*invoices: Invoice) -> InvoicesResponse:
    return InvoicesResponse(success=True, message="in_1Secret", invoices=list(invoices))


def view_of(
    response: InvoicesResponse,
    locale: str = "en-US",
    *,
    limit: int = MAX_INVOICES,
    page: int = 1,
    website: str | None = None,
    now: datetime = NOW,
) -> ui.LayoutView:
    view = invoices_view(
        response, locale=locale, now=now, owner=OWNER, limit=limit, page=page, website=website
    )
    assert_within_limits(view)
    return view


def shown(response: InvoicesResponse, locale: str = "en-US", *, page: int = 1) -> str:
    return plain_text(view_of(response, locale, page=page)).replace("\N{NO-BREAK SPACE}", " ")


def test_newest_first_each_with_its_own_button() -> None:
    newest, oldest = PDF + "1", PDF + "3"
    unpaid = invoice(1, InvoiceStatus.OPEN, PDF + "2")
    view = view_of(answer(invoice(0, pdf=oldest), invoice(2, pdf=newest), unpaid))
    expected = """\
## Your invoices
**<t:1735862400:D>** · €99.00
-# paid
**<t:1735776000:D>** · €99.00
-# to be paid
**<t:1735689600:D>** · €99.00
-# paid
-# 3 invoices"""
    assert plain_text(view) == expected
    assert links(view) == [newest, PDF + "2", oldest, newest]
    assert labels(view) == ["PDF", "PDF", "PDF", "Latest invoice (PDF)"]


def test_in_french() -> None:
    expected = """\
## Vos factures
**<t:1735689600:D>** · 99,00 €
-# payée
-# 1 facture"""
    assert shown(answer(invoice()), "fr") == expected
    assert labels(view_of(answer(invoice()), "fr")) == ["PDF", "Dernière facture (PDF)"]


@pytest.mark.parametrize(
    ("locale", "words"), [("en-US", "no invoices"), ("fr", "pas encore de facture")]
)
def test_none_yet(locale: str, words: str) -> None:
    assert words in shown(answer(), locale)


@pytest.mark.parametrize("status", list(InvoiceStatus))
def test_each_status_has_words_in_both_languages(status: InvoiceStatus) -> None:
    response = answer(invoice(status=status))
    english, french = (shown(response, one).splitlines()[2] for one in ("en-US", "fr"))
    assert english.removeprefix("-# ")
    assert french.removeprefix("-# ")
    assert english != french


@pytest.mark.parametrize(
    ("age", "status", "pdf", "english", "french"),
    [
        (29.9, InvoiceStatus.PAID, PDF, "", ""),
        (30.1, InvoiceStatus.PAID, PDF, "has expired", "a expiré"),
        (400, InvoiceStatus.VOID, PDF, "has expired", "a expiré"),
        (400, InvoiceStatus.PAID, None, "no PDF", "pas de PDF"),
        (1, InvoiceStatus.PAID, None, "no PDF", "pas de PDF"),
        (1, InvoiceStatus.PAID, "not an address", "no PDF", "pas de PDF"),
        (1, InvoiceStatus.DRAFT, None, "comes later", "viendra plus tard"),
    ],
)
def test_a_link_that_is_gone_or_missing_is_told(
    *, age: float, status: InvoiceStatus, pdf: str | None, english: str, french: str
) -> None:
    response = answer(invoice(10 - age, status, pdf))
    for locale, words in (("en-US", english), ("fr", french)):
        line = shown(response, locale).splitlines()[2]
        view = view_of(response, locale)
        assert words in line
        assert (" · " in line) == bool(words)
        assert links(view) == ([] if words else [PDF, PDF])


def test_where_the_others_are_to_be_had() -> None:
    response = answer(invoice(-40), invoice(1))
    with_site, without = view_of(response, website=WEBSITE), view_of(response)
    assert "on our website" in plain_text(with_site)
    assert labels(with_site)[-1] == "Manage on the website"
    assert links(with_site)[-1] == WEBSITE
    assert "Our support can give" in plain_text(without)
    assert "website" not in plain_text(without)
    nothing_lost = view_of(answer(invoice(1)), website=WEBSITE)
    assert "30 days" not in plain_text(nothing_lost)
    assert WEBSITE not in links(nothing_lost)


@pytest.mark.parametrize(
    ("page", "first", "count", "pressed"),
    [
        (1, 13, PER_PAGE, ["2"]),
        (2, 7, PER_PAGE, ["1", "3"]),
        (3, 1, 2, ["2"]),
        (9, 1, 2, ["2"]),  # one that is gone is the last one
        (0, 13, PER_PAGE, ["2"]),
    ],
)
def test_pages(page: int, first: int, count: int, pressed: list[str]) -> None:
    response = answer(*(invoice(day, pdf=None) for day in range(14)))
    view = view_of(response, limit=20, page=page)
    dates = [line for line in plain_text(view).splitlines() if "<t:" in line]
    newest = int((FIRST + timedelta(days=first)).timestamp())
    assert len(dates) == count
    assert f"<t:{newest}:D>" in dates[0]
    assert custom_ids(view) == [f"invoices_page:{OWNER}:20:{one}" for one in pressed]
    number = min(max(page, 1), 3)
    assert plain_text(view).endswith(f"-# Page {number} of 3 · 14 invoices")
    french = plain_text(view_of(response, "fr", page=page))
    assert french.endswith(f"-# Page {number} sur 3 · 14 factures")
    assert labels(view_of(response, "fr", page=page))[:2] == ["Précédente", "Suivante"]


def test_one_page_has_no_buttons_to_turn_it() -> None:
    assert custom_ids(view_of(answer(*(invoice(day) for day in range(PER_PAGE))))) == []


def test_the_latest_is_at_hand_on_every_page() -> None:
    newest = PDF + "1"
    response = answer(invoice(9, pdf=newest), *(invoice(day) for day in range(8)))
    assert links(view_of(response, page=2))[-1] == newest


def test_no_more_than_asked_for() -> None:
    response = answer(*(invoice(day) for day in range(5)))
    text = plain_text(view_of(response, limit=2))
    assert text.count("<t:") == 2
    assert text.endswith("2 invoices")


@pytest.mark.parametrize(
    "pdf",
    [
        None,
        "",
        "javascript:alert(1)",
        "ftp://x.example/a",
        "discord://x.example",
        "//x.example/a",
        "x.example/a.pdf",
        "https://",
        "https:///a",
        "http://localhost/a",
        "https://user:pass@x.example",
        "https://x.example:99999/",
        "https://x.example:0/",
        "https://[bad/",
        "data:text/html,x",
        ".",
        "https://./",
        "https://x.example/" + "a" * 500,
    ],
)
def test_only_web_addresses_become_links(pdf: str | None) -> None:
    assert links(view_of(answer(invoice(pdf=pdf)), website=pdf)) == []


@pytest.mark.parametrize(
    ("pdf", "url"),
    [
        ("http://x.example/a", "http://x.example/a"),
        ("HTTPS://x.example/a b", "https://x.example/a%20b"),
        ("https://127.0.0.1:8080/a.pdf", "https://127.0.0.1:8080/a.pdf"),
    ],
)
def test_a_web_address_is_written_as_discord_wants_it(pdf: str, url: str) -> None:
    assert links(view_of(answer(invoice(pdf=pdf)))) == [url, url]


def test_moments_with_and_without_offset_sort_together() -> None:
    naive = Invoice(
        invoice_id="in_2",
        amount=100,
        currency="eur",
        status=InvoiceStatus.PAID,
        created=datetime(2025, 1, 2),  # noqa: DTZ001
    )
    lines = [
        one for one in shown(answer(invoice(0), naive, invoice(3))).splitlines() if "<t" in one
    ]
    assert lines[1].startswith("**<t:1735776000:D>")


_ADDRESSES = hostile_texts() | st.integers(0, 600).map(lambda n: "https://x.example/" + "a" * n)


@settings(deadline=None)
@given(
    invoices=st.lists(
        st.builds(
            Invoice,
            invoice_id=hostile_texts(),
            amount=st.integers(),
            currency=st.sampled_from(["eur", "xof", "kwd"]) | hostile_texts(),
            status=st.sampled_from(InvoiceStatus),
            created=st.datetimes() | st.datetimes(timezones=st.just(UTC)),
            invoice_pdf=st.none() | _ADDRESSES | hostile_texts().map("https://x.example/".__add__),
        ),
        max_size=60,
    ),
    limit=st.integers(1, MAX_INVOICES),
    page=st.integers(1, MAX_INVOICES),
    now=st.datetimes(timezones=st.just(UTC)),
    owner=st.integers(1, MAX_SNOWFLAKE),
    website=st.none() | _ADDRESSES,
    locale=st.sampled_from(["fr", "en-US"]),
)
def test_any_invoices_fit_and_show_none_of_their_texts(
    *,
    invoices: list[Invoice],
    limit: int,
    page: int,
    now: datetime,
    owner: int,
    website: str | None,
    locale: str,
) -> None:
    view = invoices_view(
        answer(*invoices),
        locale=locale,
        now=now,
        owner=Snowflake(owner),
        limit=limit,
        page=page,
        website=website,
    )
    assert_within_limits(view)
    text = plain_text(view)
    assert "@" not in text
    assert "in_" not in text
    assert len(text) < 2500
