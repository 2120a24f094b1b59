"""A server (and proxy) of weights on this machine that truncates, forgets ranges, and answers with pages when it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_CONNECT(self):  # what a proxy is asked for https
        self.server.tunnels.append(self.path)
        self.answer(403, b"<html>blocked by policy</html>", kind="text/html")

    def do_GET(self):
        server = self.server
        server.ranges.append(self.headers.get("Range"))
        start = (
            int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if self.headers["Range"] and server.resumes
            else 0
        )
        if server.mode == "html":
            return self.answer(200, b"\n <html>log in first</html>", kind=server.html_kind)
        if server.mode == "absent":
            return self.answer(404, b"no such file")
        if server.mode == "busy":
            return self.answer(503, b"later")
        if start >= len(server.content):
            return self.answer(416, b"")
        body = server.content[start:]
        headers = {"Content-Range": f"bytes {start}-{len(server.content) - 1}/{len(server.content)}"} if start else {}
        cut = server.cuts.pop(0) if server.cuts else len(body)
        return self.answer(206 if start else 200, body, cut=cut, headers=headers)

    def answer(self, code, body, kind="application/octet-stream", cut=None, headers=None):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:cut])


@contextmanager
def serving(content: bytes) -> Iterator[ThreadingHTTPServer]:
    """`mode` file, html, absent or busy; `cuts`, bytes after which the next answers break off; `ranges` and `tunnels`, what was asked for."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.mode, server.content, server.cuts, server.ranges, server.resumes = "file", content, [], [], True
        server.tunnels, server.html_kind = [], "text/html"
        server.url = f"http://127.0.0.1:{server.server_port}/models"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
