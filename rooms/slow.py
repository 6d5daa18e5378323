"""A slow or hostile client harms only itself (invariant 10): whoever does not read what is sent to him is disconnected.

python-socketio keeps an unbounded queue for every client. A client that comes back joins with its last sequence number and gets
what it missed. Private to python-engineio and pinned with it: `sockets`, a socket's `queue`, and the request in its environ.
"""

from __future__ import annotations

import socketio
import structlog

log = structlog.get_logger()

# At five ticks a second and a few states this is more than half a minute unread. Centrifugo disconnects at 1 MB.
QUEUE_MAX = 256


async def disconnect_slow(sio: socketio.AsyncServer, queue_max: int = QUEUE_MAX) -> int:
    """Disconnect every client with more than `queue_max` packets unread; answers how many. To be called every second or so."""
    closed = 0
    for sid, socket in list(sio.eio.sockets.items()):
        if socket.closed or socket.queue.qsize() <= queue_max:
            continue
        closed += 1
        log.warning("slow client disconnected", unread=socket.queue.qsize())
        await throw_out(sio, sid)
    return closed


async def throw_out(sio: socketio.AsyncServer, sid: str) -> None:
    """Ends one client's connection (its Engine.IO id) at once; one that is gone already is no matter."""
    socket = sio.eio.sockets.get(sid)
    if socket is None:
        return
    request = sio.environ.get(sid, {}).get("aiohttp.request")
    # Without waiting for the queue, which nobody reads; and the transport first: its writer hangs in it.
    if request is not None and request.transport is not None:
        request.transport.abort()
    await socket.close(wait=False, abort=True)
