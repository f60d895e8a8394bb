"""Runs a notebook and writes it with its outputs: a process of its own, whose sockets are not the tests'.

python execute_notebook.py SOURCE TARGET FOLDER PYTHON [WORD ...]: the kernel is started by the last words
"""

import sys

import nbformat
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.utils import run_sync
from nbclient import NotebookClient

source, target, folder, *python = sys.argv[1:]
manager = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=f"{folder}/kernel")
manager.kernel_spec.argv[:1] = python
try:
    book = NotebookClient(nbformat.read(source, 4), timeout=900, km=manager).execute(cwd=folder)
finally:
    run_sync(manager.shutdown_kernel)(now=True)  # a warm one does not see that this process ends
nbformat.write(book, target)
