"""Message components and the limits Discord puts on a message body."""

from collections.abc import Iterator
from typing import Any

from tests.standins.discord.errors import DiscordError, invalid_form, too_long

ACTION_ROW, BUTTON, SECTION, TEXT_DISPLAY, CONTAINER = 1, 2, 9, 10, 17
SELECTS = frozenset({3, 5, 6, 7, 8})
LINK_STYLE, PREMIUM_STYLE = 5, 6
V2_ONLY = frozenset({SECTION, TEXT_DISPLAY, 11, 12, 13, 14, CONTAINER})
V2_FLAG = 1 << 15

CONTENT_LIMIT = 2000
V2_COMPONENT_LIMIT = 40
V2_TEXT_LIMIT = 4000


def walk(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every component, parents before their children."""
    for component in components:
        yield component
        yield from walk(component.get("components") or [])
        for child in ("accessory", "component"):
            if component.get(child):
                yield from walk([component[child]])


def texts_of(components: list[dict[str, Any]]) -> list[str]:
    """The texts of all text displays, in reading order."""
    return [
        str(part.get("content") or "")
        for part in walk(components)
        if part.get("type") == TEXT_DISPLAY
    ]


def find_by_custom_id(components: list[dict[str, Any]], custom_id: str) -> dict[str, Any] | None:
    """The button or select with this custom id."""
    return next((part for part in walk(components) if part.get("custom_id") == custom_id), None)


def with_component_ids(components: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The components as Discord gives them back: each with an id, media with its fields."""
    numbered: list[dict[str, Any]] = _copied(components)
    taken = {part["id"] for part in walk(numbered) if part.get("id")}
    free = (number for number in range(1, 1000) if number not in taken)
    for part in walk(numbered):
        if not part.get("id"):
            part["id"] = next(free)
    return numbered


def _copied(value: Any) -> Any:
    if isinstance(value, list):
        return [_copied(item) for item in value]
    if not isinstance(value, dict):
        return value
    copied = {key: _copied(item) for key, item in value.items()}
    for key in ("media", "file"):
        media = copied.get(key)
        if isinstance(media, dict) and "url" in media:
            unfurled = {"proxy_url": media["url"], "height": None, "width": None}
            copied[key] = {**unfurled, "loading_state": 2, **media}
    return copied


def check_message(body: dict[str, Any], *, already_v2: bool = False, editing: bool = False) -> None:
    """Raise what Discord answers to a message body that it does not take."""
    content = body.get("content") or ""
    components: list[dict[str, Any]] = body.get("components") or []
    if not isinstance(content, str):
        raise invalid_form("content", "Could not interpret value as string.")
    if len(content) > CONTENT_LIMIT:
        raise too_long("content", CONTENT_LIMIT)
    if len(body.get("embeds") or []) > 10:
        raise too_long("embeds", 10)
    if isinstance(body.get("nonce"), str) and len(body["nonce"]) > 25:
        raise too_long("nonce", 25)
    if already_v2 or int(body.get("flags") or 0) & V2_FLAG:
        _check_v2(body, components, editing=editing)
    else:
        _check_classic(components)
        filled = (content, components, body.get("embeds"), body.get("attachments"))
        others = (body.get("sticker_ids"), body.get("poll"))
        if not editing and not any((*filled, *others)):
            raise DiscordError.of(50006)
    _check_each(components)


def _check_classic(components: list[dict[str, Any]]) -> None:
    if len(components) > 5:
        raise too_long("components", 5)
    if any(part.get("type") in V2_ONLY for part in walk(components)):
        raise invalid_form(
            "components", "This component type needs the IS_COMPONENTS_V2 message flag."
        )
    if any(part.get("type") != ACTION_ROW for part in components):
        raise invalid_form("components", "Value of field 'type' must be one of (1,).")


def _check_v2(body: dict[str, Any], components: list[dict[str, Any]], *, editing: bool) -> None:
    for name in ("content", "embeds", "poll", "sticker_ids"):
        if body.get(name):
            raise invalid_form(
                name,
                f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2",
                code="MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
            )
    if not components and not (editing and "components" not in body):
        raise DiscordError.of(50006)
    if sum(1 for _ in walk(components)) > V2_COMPONENT_LIMIT:
        raise invalid_form(
            "components",
            f"The maximum number of components is {V2_COMPONENT_LIMIT}.",
            code="COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED",
        )
    if sum(len(text) for text in texts_of(components)) > V2_TEXT_LIMIT:
        raise invalid_form(
            "components",
            f"The total text length cannot exceed {V2_TEXT_LIMIT} characters.",
            code="COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED",
        )


def _check_each(components: list[dict[str, Any]]) -> None:
    custom_ids: set[str] = set()
    for part in walk(components):
        _check_one(part)
        custom_id = part.get("custom_id")
        if custom_id is None:
            continue
        if not 1 <= len(custom_id) <= 100:
            raise too_long("components.custom_id", 100)
        if custom_id in custom_ids:
            raise invalid_form(
                "components.custom_id",
                "Component custom id cannot be duplicated",
                code="COMPONENT_CUSTOM_ID_DUPLICATED",
            )
        custom_ids.add(custom_id)


def _check_one(part: dict[str, Any]) -> None:
    kind = part.get("type")
    if kind == ACTION_ROW and not 1 <= len(part.get("components") or []) <= 5:
        raise invalid_form("components.components", "Must be between 1 and 5 in length.")
    if kind == TEXT_DISPLAY and not part.get("content"):
        raise invalid_form("components.content", "This field is required")
    if kind == SECTION and not 1 <= len(part.get("components") or []) <= 3:
        raise invalid_form("components.components", "Must be between 1 and 3 in length.")
    if kind == BUTTON:
        _check_button(part)
    if kind in SELECTS and len(part.get("options") or []) > 25:
        raise too_long("components.options", 25)


def _check_button(button: dict[str, Any]) -> None:
    if len(button.get("label") or "") > 80:
        raise too_long("components.label", 80)
    style = button.get("style")
    if style == LINK_STYLE and not button.get("url"):
        raise invalid_form("components.url", "A url is required for a link button")
    if style not in (LINK_STYLE, PREMIUM_STYLE) and not button.get("custom_id"):
        raise invalid_form("components.custom_id", "A custom id is required")
