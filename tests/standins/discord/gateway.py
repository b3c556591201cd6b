"""The websocket gateway, and the switches with which a test disturbs it."""

import asyncio
import contextlib
from typing import Any

from aiohttp import web

from tests.standins.discord.changes import Changes
from tests.standins.discord.connections import ABRUPT, Connection
from tests.standins.discord.events import Event, Intent
from tests.standins.discord.member_chunks import chunks
from tests.standins.discord.sessions import Session
from tests.standins.discord.world import World, guild_create_payload

HEARTBEAT, IDENTIFY, RESUME, RECONNECT, REQUEST_MEMBERS = 1, 2, 6, 7, 8
INVALID_SESSION, HELLO, HEARTBEAT_ACK = 9, 10, 11
# A client that closes with one of these ends its session; with any other it can be resumed.
CLIENT_ENDS_SESSION = (1000, 1001)
# When Discord closes with one of these, the session is over too.
DISCORD_ENDS_SESSION = (4007, 4009)


class Gateway:
    """Gateway version 10 in JSON.

    ``refuse`` is a close code for whoever identifies, ``accept = False`` answers new
    connections with 503, and ``silent = True`` leaves heartbeats without an answer.
    ``heartbeat_interval`` is in seconds. ``repeats`` is how many events a resume sends again that
    the client has had already, as when Discord is behind with what was acknowledged. The guilds
    ``in_outage`` are announced to whoever identifies and do not come.
    """

    def __init__(self, world: World, changes: Changes, tokens: set[str]) -> None:
        self._world = world
        self._changes = changes
        self._tokens = tokens
        self._open: list[Connection] = []
        self._sessions: dict[str, Session] = {}
        self.url = ""
        self.application_flags = 0
        self.refuse: int | None = None
        self.accept = True
        self.silent = False
        self.heartbeat_interval = 41.25
        self.repeats = 0
        self.in_outage: set[int] = set()
        self.identifies = 0
        self.resumes = 0
        self.heartbeats = 0
        # Presence updates and the like, which change nothing in the stand-in.
        self.ignored: list[dict[str, Any]] = []

    @property
    def connections(self) -> list[Connection]:
        """The connections that have a session."""
        return [connection for connection in self._open if connection.session is not None]

    @property
    def sessions(self) -> list[Session]:
        """The sessions that are live or can be resumed."""
        return list(self._sessions.values())

    def emit(self, event: Event) -> None:
        """Send an event to each session that gets it."""
        for session in self._sessions.values():
            session.give(event)
        self._changes.notify()

    async def wait_ready(
        self,
        timeout: float = 10.0,  # noqa: ASYNC109 - the tests' word for it
        *,
        count: int = 1,
    ) -> None:
        """Wait until this many shards are connected and have got READY."""
        await self._changes.until(
            lambda: len(self.connections) >= count,
            timeout=timeout,
            what=f"{count} ready gateway connection(s)",
        )

    async def drop(self, code: int = ABRUPT) -> None:
        """Close all connections, by default without a word."""
        if code in DISCORD_ENDS_SESSION:
            self._sessions.clear()
        dropped = list(self._open)
        await asyncio.gather(*(connection.close(code) for connection in dropped))
        # Some client may be back already, so only the old connections count.
        await self._changes.until(
            lambda: not any(connection in self._open for connection in dropped),
            what="the end of all connections",
        )

    async def reconnect(self) -> None:
        """Ask all clients to connect anew and resume."""
        for connection in self.connections:
            connection.send(RECONNECT)

    async def invalid_session(self, resumable: bool = False) -> None:
        """Tell all clients that their session is invalid."""
        for connection in self.connections:
            session = connection.session
            if session is not None and not resumable:
                self._sessions.pop(session.id, None)
            connection.send(INVALID_SESSION, resumable)

    async def send_raw(self, event_name: str, payload: Any) -> None:
        """Send a dispatch to all sessions as it is, however malformed."""
        for session in self._sessions.values():
            session.dispatch(event_name, payload)

    async def stop(self) -> None:
        """Close everything; the server is going away."""
        self.accept = False
        closing = (connection.close(1001) for connection in list(self._open))
        await asyncio.gather(*closing, return_exceptions=True)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one websocket, from the handshake to its end."""
        if not self.accept:
            return web.Response(status=503, text="no gateway here now")
        connection = Connection(request)
        socket = await connection.prepare()
        self._open.append(connection)
        writing = asyncio.create_task(connection.write_out())
        connection.send(HELLO, {"heartbeat_interval": int(self.heartbeat_interval * 1000)})
        try:
            while (payload := await connection.receive()) is not None:
                await self._on_payload(connection, payload)
                self._changes.notify()
        finally:
            self._forget(connection)
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
            self._changes.notify()
        return socket

    def _forget(self, connection: Connection) -> None:
        self._open.remove(connection)
        session = connection.session
        if session is None or session.connection is not connection:
            return
        session.connection = None
        if connection.client_close_code in CLIENT_ENDS_SESSION:
            self._sessions.pop(session.id, None)

    async def _on_payload(self, connection: Connection, payload: dict[str, Any]) -> None:
        op, data = payload.get("op"), payload.get("d")
        if op == HEARTBEAT:
            self.heartbeats += 1
            if not self.silent:
                connection.send(HEARTBEAT_ACK)
        elif op == IDENTIFY:
            await self._identify(connection, data or {})
        elif op == RESUME:
            await self._resume(connection, data or {})
        elif connection.session is None:
            await connection.close(4003)
        elif op == REQUEST_MEMBERS:
            self._request_members(connection.session, data or {})
        else:
            self.ignored.append(payload)

    async def _identify(self, connection: Connection, data: dict[str, Any]) -> None:
        if connection.session is not None:
            await connection.close(4005)
            return
        if data.get("token") not in self._tokens:
            await connection.close(4004)
            return
        if self.refuse is not None:
            await connection.close(self.refuse)
            return
        session = Session(data)
        shard_id, shard_count = session.shard
        if not 0 <= shard_id < shard_count:
            await connection.close(4010)
            return
        self._sessions[session.id] = session
        self.identifies += 1
        self._attach(connection, session)
        self._send_ready(session)

    def _attach(self, connection: Connection, session: Session) -> None:
        connection.session = session
        session.connection = connection

    def _send_ready(self, session: Session) -> None:
        guilds = [g for g in self._world.guilds.values() if session.has_guild(g.id)]
        session.dispatch(
            "READY",
            {
                "v": 10,
                "user": self._world.bot.own_payload,
                "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
                "session_id": session.id,
                "session_type": "normal",
                "resume_gateway_url": self.url,
                "shard": list(session.shard),
                "application": {
                    "id": str(self._world.application_id),
                    "flags": self.application_flags,
                },
                "private_channels": [],
                "relationships": [],
                "presences": [],
                "user_settings": {},
            },
        )
        all_members = Intent.GUILD_PRESENCES in session.intents
        for guild in guilds:
            if guild.id in self.in_outage:
                continue
            payload = guild_create_payload(guild, all_members=all_members)
            # With this field, a client knows that the guild is not one it just joined.
            payload["unavailable"] = False
            session.give(Event("GUILD_CREATE", payload, guild.id, Intent.GUILDS))

    async def _resume(self, connection: Connection, data: dict[str, Any]) -> None:
        if data.get("token") not in self._tokens:
            await connection.close(4004)
            return
        session = self._sessions.get(str(data.get("session_id")))
        if session is None:
            connection.send(INVALID_SESSION, False)
            return
        sequence = int(data.get("seq") or 0)
        if sequence > session.sequence:
            self._sessions.pop(session.id)
            await connection.close(4007)
            return
        for frame in session.missed(sequence - self.repeats):
            connection.send_text(frame)
        self.resumes += 1
        self._attach(connection, session)
        session.dispatch("RESUMED", {"_trace": []})

    def _request_members(self, session: Session, data: dict[str, Any]) -> None:
        # Without the members intent Discord does not hand out the whole list.
        whole_list = data.get("user_ids") is None and not data.get("query")
        if whole_list and Intent.GUILD_MEMBERS not in session.intents:
            return
        for guild_id in _as_list(data.get("guild_id")):
            guild = self._world.guilds.get(int(guild_id))
            if guild is not None and session.has_guild(guild.id):
                for chunk in chunks(guild, data):
                    session.dispatch("GUILD_MEMBERS_CHUNK", chunk)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
