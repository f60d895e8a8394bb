"""Unpickling without trusting the file: only known names, only calls to these, no more memory than the file fills."""

import io
import pickle

from tfxfer.core.private_names import PythonUnpickler


class Unpickler(PythonUnpickler):
    """Reads one pickle after another from bytes; a subclass decides which names it admits.

    This is Python's own implementation. The one in C allocates whatever lengths the file claims: gigabytes for a few
    bytes. The opcodes removed here would do that too (BYTEARRAY8), or find objects without naming them (extensions).
    """

    dispatch = PythonUnpickler.dispatch.copy()
    for _code in (pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.EXT1, pickle.EXT2, pickle.EXT4):
        del dispatch[_code[0]]

    def __init__(self, file: io.BytesIO):
        super().__init__(file, encoding="bytes")

    def load(self):
        """Reads the next object.

        Raises:
            ValueError: the file is truncated, or holds something that is refused. A file that is not a pickle may
                raise any exception.
        """
        try:
            return super().load()
        except EOFError:
            raise ValueError("truncated") from None

    def find_class(self, module: str, name: str):
        """Returns what stands for a global name in the file.

        Raises:
            ValueError: the name is not admitted.
        """
        raise ValueError(f"contains {module}.{name}, which no such file needs: refused")

    def build(self, item: object, state: object) -> None:
        """Gives an object its state. Python would set attributes of any object that the file names."""
        raise ValueError(f"gives a state to {type(item).__name__}: refused")

    def _build(self) -> None:
        state = self.stack.pop()
        self.build(self.stack[-1], state)

    dispatch[pickle.BUILD[0]] = _build
