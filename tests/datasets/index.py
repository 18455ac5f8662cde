"""A package index on this machine: pages and files by their paths, over HTTP."""

import contextlib
import http.server
import threading
from urllib.parse import quote, urlsplit


class Index:
    """What a server at `url` answers, and what it was asked: (path, headers) of each request.

    Attributes:
        answers: for each path (status, headers, body).
        login: what the Authorization header must be, or None.
    """

    def __init__(self, url):
        self.url = url
        self.answers = {}
        self.asked = []
        self.login = None

    def add(self, path, body, status=200, **headers):
        self.answers[path] = (status, headers, body)

    def carry(self, file, link=None):
        """A page of the package tiny-digits with a link to `file`, by default to a copy that this server has."""
        self.add("/files/" + quote(file.name), file.read_bytes())
        links = ["/files/tiny_digits-0.9.tar.gz", link or f"../../files/{quote(file.name)}#sha256={'0' * 64}"]
        page = "<!DOCTYPE html><title>Links</title>" + "".join(f'<a href="{x}">{x}</a><br/>' for x in links)
        self.add("/simple/tiny-digits/", page.encode())

    def answer(self, path, headers):
        self.asked.append((path, headers))
        if self.login and headers.get("Authorization") != self.login:
            return 401, {"WWW-Authenticate": "Basic"}, b""
        return self.answers.get(urlsplit(path).path, (404, {}, b""))


@contextlib.contextmanager
def serving():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = index.answer(self.path, self.headers)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    index = Index(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
