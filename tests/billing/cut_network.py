"""A network that can be cut without a word: packets go nowhere, and nobody is told."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_CHUNK = 65536


class Network:
    """Carries connections to a server on this host, until it is cut; then it only swallows time."""

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ask, self._asked = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._asked, selectors.EVENT_READ)
        self._other: dict[socket.socket, socket.socket] = {}
        self._word = threading.Event()
        self._thread = threading.Thread(target=self._carry, name="network", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Carry nothing any more, either way; connections stay, and new ones seem to be made."""
        self._do(b"c")

    def mend(self) -> None:
        """Carry on, with what was held back."""
        self._do(b"m")

    def close(self) -> None:
        """End every connection."""
        self._do(b"q")
        self._thread.join(10)
        self._ask.close()

    def _do(self, what: bytes) -> None:
        self._word.clear()
        self._ask.sendall(what)
        assert self._word.wait(10)

    def _carry(self) -> None:
        is_cut = False
        while True:
            # what is not listened to while it is cut stays in the kernel's buffers
            for key, _ in self._selector.select():
                ready = key.fileobj
                if ready is self._asked:
                    what = self._asked.recv(1)
                    if what == b"q":
                        return self._end()
                    is_cut = what == b"c"
                    self._listen_to(not is_cut)
                    self._word.set()
                    break
                if ready is self._listener:
                    self._accept()
                elif isinstance(ready, socket.socket):
                    self._hand_on(ready)

    def _listen_to(self, carried: bool) -> None:
        events = selectors.EVENT_READ
        for one in (self._listener, *self._other):
            known = one in self._selector.get_map()
            if carried and not known:
                self._selector.register(one, events)
            elif not carried and known:
                self._selector.unregister(one)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(self._server)
        except OSError:
            near.close()
            return
        for one, other in ((near, far), (far, near)):
            self._other[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _hand_on(self, one: socket.socket) -> None:
        other = self._other.get(one)
        if other is None:
            return  # ended in the same round
        try:
            data = one.recv(_CHUNK)
            other.sendall(data)
        except OSError:
            data = b""
        if not data:  # one end is gone: so is the other
            for end in (one, other):
                self._selector.unregister(end)
                del self._other[end]
                end.close()

    def _end(self) -> None:
        for one in (*self._other, self._listener, self._asked):
            one.close()
        self._selector.close()
        self._word.set()


@contextmanager
def network_to(port: int) -> Iterator[Network]:
    """Yield a network to a server of this host."""
    made = Network(port)
    try:
        yield made
    finally:
        made.close()
