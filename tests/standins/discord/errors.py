"""Discord's error answers."""

from typing import Any

# code -> (HTTP status, message), as in Discord's documentation.
_KNOWN: dict[int, tuple[int, str]] = {
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10007: (404, "Unknown Member"),
    10008: (404, "Unknown Message"),
    10011: (404, "Unknown Role"),
    10013: (404, "Unknown User"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    10063: (404, "Unknown application command"),
    20012: (403, "You are not authorized to perform this action on this application"),
    40003: (429, "You are opening direct messages too fast"),
    40060: (400, "Interaction has already been acknowledged."),
    50001: (403, "Missing Access"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50013: (403, "Missing Permissions"),
    50028: (400, "Invalid Role"),
    50035: (400, "Invalid Form Body"),
    50109: (400, "The request body contains invalid JSON."),
    50278: (403, "Cannot send messages to this user due to having no mutual guilds"),
}


class DiscordError(Exception):
    """An answer that says no."""

    def __init__(
        self, status: int, code: int, message: str, errors: dict[str, Any] | None = None
    ) -> None:
        super().__init__(f"{status} ({code}): {message}")
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors

    @classmethod
    def of(cls, code: int) -> "DiscordError":
        """The error with this documented code."""
        status, message = _KNOWN[code]
        return cls(status, code, message)

    @property
    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        body: dict[str, Any] = {"message": self.message, "code": self.code}
        if self.errors is not None:
            body["errors"] = self.errors
        return body


def message_of(code: int) -> str | None:
    """The documented text of a code, if it is one the stand-in knows."""
    known = _KNOWN.get(code)
    return known[1] if known else None


def invalid_form(field: str, problem: str, code: str = "BASE_TYPE_BAD_VALUE") -> DiscordError:
    """400 "Invalid Form Body" about one field; dots in ``field`` go down into the body."""
    errors: dict[str, Any] = {"_errors": [{"code": code, "message": problem}]}
    for part in reversed(field.split(".")):
        errors = {part: errors}
    return DiscordError(400, 50035, "Invalid Form Body", errors)


def too_long(field: str, limit: int) -> DiscordError:
    """400 because a text is longer than Discord takes."""
    return invalid_form(field, f"Must be {limit} or fewer in length.", code="BASE_TYPE_MAX_LENGTH")
