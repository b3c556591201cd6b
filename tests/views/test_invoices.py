from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moddy.models import Invoice, InvoicesResponse, InvoiceStatus
from moddy.views.invoices import MAX_INVOICES, invoices_view
from tests.views.reading import assert_within_limits, hostile_texts, labels, links, plain_text

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
PDF = "https://pay.stripe.example/invoice/acct_1/pdf?s=ap"


def invoice(
    day: int = 0, status: InvoiceStatus = InvoiceStatus.PAID, pdf: str | None = PDF
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


def shown(response: InvoicesResponse, locale: str = "en-US") -> str:
    view = invoices_view(response, locale=locale)
    assert_within_limits(view)
    return plain_text(view).replace("\N{NO-BREAK SPACE}", " ")


def test_newest_first_each_with_its_own_button() -> None:
    newest, oldest = PDF + "1", PDF + "3"
    unpaid = invoice(1, InvoiceStatus.OPEN, None)
    response = answer(invoice(0, pdf=oldest), invoice(2, pdf=newest), unpaid)
    view = invoices_view(response, locale="en-US")
    expected = """\
## Your invoices
1. <t:1735862400:D> · €99.00 · paid
2. <t:1735776000:D> · €99.00 · to be paid
3. <t:1735689600:D> · €99.00 · paid"""
    assert plain_text(view) == expected
    assert links(view) == [newest, oldest]
    assert labels(view) == ["PDF 1", "PDF 3"]


def test_in_french() -> None:
    expected = """\
## Vos factures
1. <t:1735689600:D> · 99,00 € · payée"""
    assert shown(answer(invoice()), "fr") == expected


@pytest.mark.parametrize(
    ("locale", "words"), [("en-US", "no invoices"), ("fr", "pas encore de facture")]
)
def test_none_yet(locale: str, words: str) -> None:
    assert words in shown(answer(), locale)


@pytest.mark.parametrize("status", list(InvoiceStatus))
def test_each_status_has_words_in_both_languages(status: InvoiceStatus) -> None:
    response = answer(invoice(status=status))
    english, french = (shown(response, one).rpartition(" · ")[2] for one in ("en-US", "fr"))
    assert english
    assert french
    assert english != french


@pytest.mark.parametrize(
    ("extra", "more"), [(0, ""), (1, "and 1 more invoice"), (75, "and 75 more invoices")]
)
def test_many_invoices(extra: int, more: str) -> None:
    response = answer(*(invoice(day) for day in range(MAX_INVOICES + extra)))
    text = shown(response)
    assert f"\n{MAX_INVOICES}. " in text
    assert f"\n{MAX_INVOICES + 1}. " not in text
    assert text.splitlines()[-1].endswith(more or "paid")
    assert len(links(invoices_view(response, locale="fr"))) == MAX_INVOICES


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
    assert links(invoices_view(answer(invoice(pdf=pdf)), locale="en-US")) == []


@pytest.mark.parametrize(
    ("pdf", "url"),
    [
        ("http://x.example/a", "http://x.example/a"),
        ("HTTPS://x.example/a b", "https://x.example/a%20b"),
        ("https://127.0.0.1:8080/a.pdf", "https://127.0.0.1:8080/a.pdf"),
    ],
)
def test_a_web_address_is_written_as_discord_wants_it(pdf: str, url: str) -> None:
    assert links(invoices_view(answer(invoice(pdf=pdf)), locale="en-US")) == [url]


def test_moments_with_and_without_offset_sort_together() -> None:
    naive = Invoice(
        invoice_id="in_2",
        amount=100,
        currency="eur",
        status=InvoiceStatus.PAID,
        created=datetime(2025, 1, 2),  # noqa: DTZ001
    )
    lines = shown(answer(invoice(0), naive, invoice(3))).splitlines()
    assert lines[2].startswith("2. <t:1735776000:D>")


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            Invoice,
            invoice_id=hostile_texts(),
            amount=st.integers(),
            currency=st.sampled_from(["eur", "xof", "kwd"]) | hostile_texts(),
            status=st.sampled_from(InvoiceStatus),
            created=st.datetimes() | st.datetimes(timezones=st.just(UTC)),
            invoice_pdf=st.none()
            | hostile_texts()
            | hostile_texts().map("https://x.example/".__add__),
        ),
        max_size=40,
    )
)
def test_any_invoices_fit_and_show_none_of_their_texts(invoices: list[Invoice]) -> None:
    text = shown(answer(*invoices), "fr")
    assert "@" not in text
    assert "in_" not in text
    assert len(text) < 2500
