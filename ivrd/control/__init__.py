"""Control of a running daemon: an HTTP interface on a local socket, and its client."""
