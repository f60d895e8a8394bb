"""Runs a notebook and writes it with its outputs: a process of its own, whose sockets are not the tests'."""

import sys

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

source, target, folder, *python = sys.argv[1:]
manager = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=f"{folder}/kernel")
if python:  # the kernel's
    manager.kernel_spec.argv = [*python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
book = NotebookClient(nbformat.read(source, 4), timeout=900, km=manager).execute(cwd=folder)
nbformat.write(book, target)
manager.provisioner.process.kill()  # which the client leaves to whom the manager belongs
