"""A server of files on loopback, which notes what it is asked, and can be slow or break off."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append((self.path, self.headers["User-Agent"]))
        content = server.files.get(self.path, 404)
        if isinstance(content, int):
            self.send_error(content)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        half = len(content) // 2
        self.wfile.write(content[:half])
        self.wfile.flush()
        server.go_on.wait(120)
        if not server.breaks_off:
            self.wfile.write(content[half:])

    def log_message(self, *args):
        pass


class FileServer(ThreadingHTTPServer):
    """Answers with `files`: by path, their content or an HTTP status; others are not found.

    After half of a file it waits for `go_on`, which is set at first, and then ends there if it `breaks_off`.
    """

    def __init__(self, files: dict[str, bytes | int]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.breaks_off = files, [], False
        self.go_on = threading.Event()
        self.go_on.set()
        self.url = f"http://127.0.0.1:{self.server_port}"


@contextlib.contextmanager
def serve(files: dict[str, bytes | int]) -> Iterator[FileServer]:
    with FileServer(files) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.go_on.set()
            server.shutdown()
            thread.join()
