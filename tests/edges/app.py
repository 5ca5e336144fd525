"""The app behind the edges: an ordinary one, which says what it was sent.

Why: what an edge makes of a request is seen only by who gets it. It knows
nothing of Hallpass.

  any path      {"method", "path" as it came, "headers": [[name, value], ...]};
                Set-Cookie for each `cookie=` of the query, `status=` as status
  /ws           WebSocket: what it was sent first, then an echo
  /events       server-sent events: a number each 100 ms
  /upload       {"bytes", "sha256"} of the body, read as it comes
  /uploaded     {"bytes"} of all bodies there so far, also of those half here
"""

import argparse
import asyncio
import contextlib
import hashlib

from aiohttp import WSMsgType, web

UPLOADED = web.AppKey("uploaded", dict)


def seen(request):
    headers = [
        [name.decode("latin-1"), value.decode("latin-1")]
        for name, value in request.raw_headers
    ]
    return {"method": request.method, "path": request.raw_path, "headers": headers}


async def mirror(request):
    status = int(request.query.get("status", "200"))
    response = web.json_response(seen(request), status=status)
    for line in request.query.getall("cookie", []):
        response.headers.add("Set-Cookie", line)
    return response


async def echo(request):
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    await socket.send_json(seen(request))
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


async def events(request):
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
    )
    await response.prepare(request)
    with contextlib.suppress(ConnectionResetError):
        for number in range(600):
            await response.write(f"data: {number}\n\n".encode())
            await asyncio.sleep(0.1)
    return response


async def upload(request):
    digest, size = hashlib.sha256(), 0
    async for piece in request.content.iter_any():
        digest.update(piece)
        size += len(piece)
        request.app[UPLOADED]["bytes"] += len(piece)
    return web.json_response({"bytes": size, "sha256": digest.hexdigest()})


async def uploaded(request):
    return web.json_response(request.app[UPLOADED])


async def serve(port):
    app = web.Application(client_max_size=0)
    app[UPLOADED] = {"bytes": 0}
    app.router.add_get("/ws", echo)
    app.router.add_get("/events", events)
    app.router.add_route("*", "/upload", upload)
    app.router.add_get("/uploaded", uploaded)
    app.router.add_route("*", "/{rest:.*}", mirror)
    runner = web.AppRunner(
        app,
        access_log=None,
        max_line_size=32768,
        max_field_size=65536,
        auto_decompress=False,
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(serve(parser.parse_args().port))
