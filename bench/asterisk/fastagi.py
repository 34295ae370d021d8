"""Peer: the call as a small FastAGI application on asyncio.

python -m bench.asterisk.fastagi PORT DATABASE FOLDER-OF-VOICE-FILES
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.asterisk.bill import GREETING, LOOKUP, MENU, NUMBER, Bills

_ANSWER = re.compile(rb"200 result=(-?\d+)(?: \((.*)\))?")


class _HangUpError(Exception):
    """The caller has gone."""


class _Call:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, bills: Bills, voices: str
    ) -> None:
        self._reader, self._writer = reader, writer
        self._bills, self._voices = bills, voices

    async def run(self) -> None:
        while (await self._reader.readline()).strip():
            pass  # the call's variables
        await self._order("ANSWER")
        month = await self._read(GREETING, 6)
        await self._read(LOOKUP, 1)
        phone = await self._read(NUMBER, 11)
        for sentence in [*self._bills.sentences(phone, month), MENU]:
            await self._order(f'EXEC Playback "{self._files(sentence)}"')
        await self._read((), 1)

    async def _read(self, names: Sequence[str], digits: int) -> str:
        await self._order(f'EXEC Read "KEYED,{self._files(names)},{digits},,1,8"')
        return await self._order("GET VARIABLE KEYED")

    def _files(self, names: Sequence[str]) -> str:
        return "&".join(f"{self._voices}/{name}" for name in names)

    async def _order(self, order: str) -> str:
        self._writer.write(f"{order}\n".encode())
        line = await self._reader.readline()
        answer = _ANSWER.match(line)
        if answer is None or answer[1] == b"-1":
            raise _HangUpError
        return (answer[2] or b"").decode()


async def serve(port: int, database: Path, voices: str) -> None:
    """Carry calls for ever."""
    bills = Bills(database)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _Call(reader, writer, bills, voices).run()
        except (_HangUpError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
