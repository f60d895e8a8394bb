"""A Python that starts warm: its processes are forked from one that has imported TensorFlow and tfxfer already.

A process of its own spends most of a small test on imports: six seconds of a core for TensorFlow, Keras, scikit-learn
and matplotlib. `python()` gives words that stand for `sys.executable` in a command. Arguments, environment, working
directory, pipes, exit code and signals are those of an ordinary process, and killing it kills what it stands for.

What is read during these imports (TF_ENABLE_ONEDNN_OPTS, TF_CPP_MIN_LOG_LEVEL, KERAS_HOME, PYTHON...) is as it was when
the tests started, and layers of tfxfer's own are known to Keras. A test of start-up and its messages, of what a fresh
process knows, of such a variable, or in a namespace of its own starts `sys.executable` itself.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import types

PLACE = "TFXFER_TESTS_WARM"
IMPORTS = """
tensorflow keras numpy scipy.stats h5py PIL.Image rich.progress typer matplotlib.pyplot plotly.graph_objects
sklearn.ensemble sklearn.linear_model sklearn.manifold sklearn.metrics sklearn.neighbors sklearn.svm sklearnex
tfxfer.recipes.shared.recipe_run tfxfer.recipes.shared.shift_study tfxfer.report.run_report tfxfer.export.formats
"""


@functools.cache
def python() -> list[str]:
    """The words that stand for Python; the process that others are forked from is started first where there is none.

    It ends with the one that started it; processes of pytest-xdist share that of the first.
    """
    place = os.environ.get(PLACE) or start()
    return [sys.executable, "-S", "-E", __file__, "ask", place]


def start() -> str:
    """Starts the process that others are forked from; returns the socket that it listens at."""
    folder = tempfile.mkdtemp(prefix="tfxfer-warm-")
    place = f"{folder}/socket"
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    server = subprocess.Popen([sys.executable, __file__, "serve", place], env=environment)

    def stop():
        server.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    while not os.path.exists(place):
        if server.poll() is not None:
            raise RuntimeError("the warm process ended at its start")
        time.sleep(0.01)
    os.environ[PLACE] = place
    return place


def ask(place: str, *words: str) -> None:
    """Has a process forked, stands for it until it ends, and ends as it did."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(place)
        request = json.dumps({"words": words, "environment": dict(os.environ), "folder": os.getcwd()}).encode()
        socket.send_fds(connection, [len(request).to_bytes(8, "big")], [0, 1, 2])
        connection.sendall(request)
        answers = connection.makefile()
        pid = int(answers.readline())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, frame: os.kill(pid, number))
        code = int(answers.readline())
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def serve(place: str) -> dict:
    """Forks a process for each request; returns the request in that process."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place)
    listener.listen()
    for name in IMPORTS.split():
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    ready = selectors.DefaultSelector()
    ready.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in ready.select():
            if key.fileobj is listener:
                connection, _ = listener.accept()
                head, streams, *_ = socket.recv_fds(connection, 8, 3)
                request = json.loads(connection.makefile("rb").read(int.from_bytes(head, "big")))
                pid = os.fork()
                if not pid:
                    for stream, descriptor in enumerate(streams):
                        os.dup2(descriptor, stream)
                        os.close(descriptor)
                    # no others: gRPC has opened some while it was imported
                    for other in [*ready.get_map().values()]:
                        os.close(other.fd) if other.fileobj == other.fd else other.fileobj.close()
                    ready.close()
                    connection.close()
                    return request
                for descriptor in streams:
                    os.close(descriptor)
                connection.sendall(b"%d\n" % pid)
                child = os.pidfd_open(pid)
                ready.register(child, selectors.EVENT_READ, (pid, connection))
                ready.register(connection, selectors.EVENT_READ, (pid, None))
            elif key.data[1] is None:  # the process that stands for it was killed
                ready.unregister(key.fileobj)
                os.kill(key.data[0], signal.SIGKILL)
            else:
                pid, connection = key.data
                ready.unregister(key.fileobj)
                os.close(key.fileobj)
                _, status = os.waitpid(pid, 0)
                if connection in {other.fileobj for other in ready.get_map().values()}:
                    ready.unregister(connection)
                    connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
                connection.close()


def run(words: list[str], environment: dict[str, str], folder: str) -> None:
    """Runs a command as Python would after its start."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    safe = words[0] == "-P"  # the script's own folder is not searched
    first, *rest = words[1:] if safe else words
    own = os.path.dirname(__file__)
    sys.path[:] = [path for path in sys.path if path != own]
    sys.path[:0] = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path not in ("", *sys.path)]
    if first == "-m":
        sys.argv = rest
        sys.path.insert(0, folder)
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = ["-c", *rest[1:]]
        sys.path.insert(0, folder)
        sys.modules["__main__"] = main = types.ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), main.__dict__)
    elif first.startswith("-"):
        raise ValueError(f"{first}: a process with this flag has to start cold")
    else:
        sys.argv = [first, *rest]
        sys.path[:0] = [] if safe else [os.path.dirname(first)]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    if sys.argv[1] == "ask":
        ask(*sys.argv[2:])
    run(**serve(sys.argv[2]))
