"""Unpickling without trusting the file: closed names, no calls but theirs, no memory that the file does not fill."""

import io
import pickle


class Unpickler(pickle._Unpickler):
    """Reads one pickle after another from bytes; subclasses say which names there may be.

    Python's own implementation, for the one in C allots what lengths and numbers in the file claim: it takes gigabytes
    for a few bytes. So does BYTEARRAY8 here, which no file of ours has, and extension codes are found without a name.
    """

    dispatch = pickle._Unpickler.dispatch.copy()
    for _code in (pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.EXT1, pickle.EXT2, pickle.EXT4):
        del dispatch[_code[0]]

    def __init__(self, file: io.BytesIO):
        super().__init__(file, encoding="bytes")

    def load(self):
        """The next object.

        Raises:
            ValueError: the file ends before it does, or holds what is refused; anything else if it is no pickle.
        """
        try:
            return super().load()
        except EOFError:
            raise ValueError("truncated") from None

    def find_class(self, module: str, name: str):
        """What stands for a global name of the file.

        Raises:
            ValueError: the name is not admitted.
        """
        raise ValueError(f"contains {module}.{name}, which no such file needs: refused")

    def build(self, item: object, state: object) -> None:
        """Gives an object its state; else that would set attributes of whatever the file names."""
        raise ValueError(f"gives a state to {type(item).__name__}: refused")

    def _build(self) -> None:
        state = self.stack.pop()
        self.build(self.stack[-1], state)

    dispatch[pickle.BUILD[0]] = _build
