"""Each file of tests in a process of its own, forked from a worker of pytest-xdist, which has imported everything.

TensorFlow and Keras keep graphs of functions that were traced within others for as long as a process lives: 30 MB for
each `fit` of EfficientNet-Lite0. A worker that ran half of all tests itself grew to 5 GB, and its garbage collection
took longer and longer. Fixtures of the session are made once a file; without pytest-xdist nothing is forked.
"""

import os
import signal
import sys
import traceback
import warnings
from multiprocessing import Pipe

import pytest
from tensorflow.python.eager import context

LIMIT = 600  # seconds of a test
_running: list["File | None"] = []
PEAKS: dict[str, int] = {}
"""The most memory that the process of a file had, in MB."""


class File:
    """The process of one file of tests."""

    def __init__(self, session: pytest.Session):
        if context.executing_eagerly() and context.context()._initialized:
            raise RuntimeError("a file of tests starts TensorFlow while it is imported, whose threads no fork has")
        self.here, there = Pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            # of Python 3.12 and later: pytest-xdist's thread, which has no part in the child
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            self.here.close()
            try:
                serve(session, there)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        there.close()

    def run(self, number: int, following: int | None) -> list[dict] | None:
        """Reports about a test, or None if the process has died, or is ended because the test does not."""
        try:
            self.here.send((number, following))
            if not self.here.poll(LIMIT):
                os.kill(self.pid, signal.SIGKILL)
            return self.here.recv()
        except (EOFError, OSError):
            return None

    def end(self, name: str) -> int:
        """Waits for the end of the process; returns its status."""
        self.here.close()
        _, status, usage = os.wait4(self.pid, 0)
        PEAKS[name] = max(PEAKS.get(name, 0), usage.ru_maxrss >> 10)
        return status


class Collector:
    """Takes the reports that a worker would send to the process that shows them."""

    def __init__(self):
        self.reports: list[pytest.TestReport] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.append(report)


def serve(session: pytest.Session, there) -> None:
    """Runs tests as the worker asks for them, until it closes the pipe."""
    config, collector = session.config, Collector()
    for plugin in config.pluginmanager.get_plugins():
        if type(plugin).__name__ == "WorkerInteractor":
            config.pluginmanager.unregister(plugin)
    config.pluginmanager.register(collector)
    _running.append(None)
    while True:
        try:
            number, following = there.recv()
        except EOFError:
            return
        nextitem = None if following is None else session.items[following]
        config.hook.pytest_runtest_protocol(item=session.items[number], nextitem=nextitem)
        pack = config.hook.pytest_report_to_serializable
        there.send([pack(config=config, report=report) for report in collector.reports])
        collector.reports.clear()


def run(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Runs a test in the process of its file, for `pytest_runtest_protocol`; None in that process itself."""
    if _running == [None]:
        return None
    session, name = item.session, str(item.path.relative_to(item.config.rootpath))
    numbers = {id(known): number for number, known in enumerate(session.items)}
    last = nextitem is None or nextitem.path != item.path
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    if not _running:
        _running.append(File(session))
    found = _running[0].run(numbers[id(item)], None if last else numbers[id(nextitem)])
    if found is None or last:
        status = _running.pop().end(name)
    for data in found or []:
        report = item.config.hook.pytest_report_from_serializable(config=item.config, data=data)
        item.ihook.pytest_runtest_logreport(report=report)
    if found is None or (last and status):
        item.ihook.pytest_runtest_logreport(report=_died(item, status))
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _died(item: pytest.Item, status: int) -> pytest.TestReport:
    how = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit code {status >> 8}"
    said = f"the process of {item.path.name} ended with {how} in or after this test, which has {LIMIT} seconds"
    return pytest.TestReport(item.nodeid, item.location, {}, "failed", said, "call")
