"""The site served as GitHub Pages serves it: gzip for text, ten minutes of cache, an entity tag, its own page for 404."""

import contextlib
import functools
import gzip
import hashlib
import http.server
import pathlib
import threading

TEXT = ("text/", "application/javascript", "application/json", "application/xml", "image/svg+xml")
KEPT = "max-age=600"
KINDS = {
    **http.server.SimpleHTTPRequestHandler.extensions_map,
    ".js": "text/javascript",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}


@functools.cache
def _body(path: str, changed: int, zipped: bool) -> bytes:
    data = pathlib.Path(path).read_bytes()
    return gzip.compress(data, 6, mtime=0) if zipped else data


class Pages(http.server.SimpleHTTPRequestHandler):
    """One request for a file of the site."""

    protocol_version = "HTTP/1.1"
    extensions_map = KINDS
    # One packet an answer, head and body.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        path, status = pathlib.Path(self.translate_path(self.path)), 200
        if path.is_dir():
            if not self.path.split("?")[0].endswith("/"):
                return self._answer(301, b"", {"Location": f"{self.path.split('?')[0]}/"})
            path = path / "index.html"
        if not path.is_file():
            path, status = pathlib.Path(self.directory) / "404.html", 404
        if not path.is_file():
            return self._answer(404, b"Not found", {"Content-Type": "text/plain"})
        kind = self.guess_type(path)
        zips = kind.startswith(TEXT)
        zipped = zips and "gzip" in self.headers.get("Accept-Encoding", "")
        body = _body(str(path), path.stat().st_mtime_ns, zipped)
        tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        headers = {"Content-Type": kind, "ETag": tag, "Cache-Control": KEPT}
        headers |= {"Vary": "Accept-Encoding"} if zips else {}
        headers |= {"Content-Encoding": "gzip"} if zipped else {}
        if status == 200 and self.headers.get("If-None-Match") == tag:
            return self._answer(304, b"", headers)
        return self._answer(status, body, headers)

    do_HEAD = do_GET

    def _answer(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status != 304:
            self.wfile.write(body)


@contextlib.contextmanager
def serve(html: pathlib.Path):
    """Serve a folder on a free port of this machine; gives the address, which ends in ``/``."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Pages, directory=str(html)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
