"""``moddy deliveries``: looking at deliveries and deciding about them by hand."""

from moddy.console.commands import deliveries

__all__ = ["deliveries"]
