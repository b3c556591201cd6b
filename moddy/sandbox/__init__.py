"""The sandbox: try Moddy without Discord, a token or a network."""

from __future__ import annotations


async def run_sandbox(*, port: int | None = None, open_browser: bool = True) -> None:
    """Run the sandbox on 127.0.0.1 and say where, until it is cancelled.

    The backend's page listens on `port` and Discord's page on the next one; None means any free
    ones. Needs asyncio's own event loop: SimCord does not run on uvloop.
    """
    # Late, so that `moddy.sandbox.backend` can be used without SimCord and all of Moddy.
    from moddy.sandbox import run  # noqa: PLC0415

    await run.run_sandbox(port=port, open_browser=open_browser)
