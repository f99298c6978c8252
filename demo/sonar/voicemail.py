"""Voicemail: recordings on disk, listed in SQL. Three messages an account, and what is uploaded."""

import asyncio
import math
import secrets
import struct
import time
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import aiosqlite

from demo.sonar.accounts import Accounts

# What may be uploaded: what a telephone system plays, by suffix. Nothing a browser would run.
AUDIO_TYPES = {".wav": "audio/wav", ".mp3": "audio/mpeg", ".ogg": "audio/ogg"}
LARGEST_UPLOAD = 64 * 1024 * 1024

# Telephone quality: 8000 samples a second, 16 bits each.
_RATE = 8000
_MESSAGES = (
    ("Dana Whitfield: about Thursday", "message-1.wav", (440, 554, 659), 3 * 3600),
    ("Harbour Logistics: delivery at gate 4", "message-2.wav", (330, 392, 494), 26 * 3600),
    ("Unknown caller", "message-3.wav", (262, 330, 392), 4 * 86400),
)


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording; `received` is Unix seconds."""

    id: int
    title: str
    received: float
    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def content_type(self) -> str:
        return AUDIO_TYPES[self.path.suffix]


class TooLarge(Exception):
    """The upload is larger than `LARGEST_UPLOAD`; nothing of it was kept."""


class Recordings:
    """The recordings of every account, in `folder` and in the accounts' database."""

    def __init__(self, database: aiosqlite.Connection, folder: Path) -> None:
        self._database = database
        self._folder = folder

    @classmethod
    async def open(cls, accounts: Accounts, folder: Path) -> Self:
        """Make the messages when the table is empty: on the first start."""
        recordings = cls(accounts.database, folder)
        await asyncio.to_thread(_make_messages, folder)
        async with accounts.database.execute("SELECT 1 FROM recordings LIMIT 1") as cursor:
            if await cursor.fetchone() is None:
                await recordings._fill()
        return recordings

    async def of(self, account_id: int) -> tuple[Recording, ...]:
        """An account's recordings, newest first."""
        query = (
            "SELECT id, title, received, file FROM recordings"
            " WHERE account_id = ? ORDER BY received DESC, id DESC"
        )
        rows = await self._database.execute_fetchall(query, (account_id,))
        return tuple(
            Recording(int(row[0]), str(row[1]), float(row[2]), self._folder / str(row[3]))
            for row in rows
        )

    async def get(self, account_id: int, recording_id: int) -> Recording | None:
        """One recording, if it is this account's."""
        return next((r for r in await self.of(account_id) if r.id == recording_id), None)

    async def add(
        self, account_id: int, title: str, suffix: str, chunks: AsyncIterator[bytes]
    ) -> None:
        """Keep an upload; `suffix` is one of `AUDIO_TYPES`. Raises `TooLarge`."""
        path = self._folder / f"upload-{secrets.token_hex(8)}{suffix}"
        try:
            await _write(path, chunks)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        await self._insert(account_id, title, time.time(), path.name)
        await self._database.commit()

    async def _fill(self) -> None:
        now = time.time()
        async with self._database.execute("SELECT id FROM accounts") as cursor:
            accounts = [int(row[0]) async for row in cursor]
        for account_id in accounts:
            for title, file, _, age in _MESSAGES:
                await self._insert(account_id, title, now - age - account_id % 3600, file)
        await self._database.commit()

    async def _insert(self, account_id: int, title: str, received: float, file: str) -> None:
        statement = "INSERT INTO recordings (account_id, title, received, file) VALUES (?, ?, ?, ?)"
        await self._database.execute(statement, (account_id, title, received, file))


async def _write(path: Path, chunks: AsyncIterator[bytes]) -> None:
    size = 0
    with path.open("wb") as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > LARGEST_UPLOAD:
                raise TooLarge
            await asyncio.to_thread(file.write, chunk)


def _make_messages(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for _, file, notes, _ in _MESSAGES:
        if not (folder / file).exists():
            _make_tune(folder / file, notes)


def _make_tune(path: Path, notes: tuple[int, ...]) -> None:
    """A short tune, each note half a second and fading: nobody recorded their voice for this."""
    length = _RATE // 2
    samples = [
        round(9000 * (1 - i / length) * math.sin(2 * math.pi * note * i / _RATE))
        for note in (*notes, *reversed(notes))
        for i in range(length)
    ]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
