"""The one exception that means that the caller can fix something."""

import errno
import re


class InputError(ValueError):
    """One line: what was given, what was expected and what to do. The command line prints it and exits with 2."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))


def shown(value: object) -> str:
    """An unexpected value as an error message shows it: texts and numbers as they are, cut short; else the class."""
    if value is None or isinstance(value, str | int | float):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:59]}…"
    return f"the class {value.__name__}" if isinstance(value, type) else f"an object of class {type(value).__name__}"


def met_by_tensorflow(error: BaseException | None) -> InputError | None:
    """The bad input behind an error of TensorFlow, such as a file that tf.data could not read any more, or None."""
    line = re.search(r"\bInputError: (.+)", str(error)) if type(error).__module__.startswith("tensorflow.") else None
    return line and InputError(line[1])


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EIO}


def met_by_machine(error: BaseException) -> InputError | None:
    """What is wrong with the machine if neither input nor code is: disk full, no permission, no memory; or None."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno in _FULL | _CLOSED:
        advice = (
            "free space, or give another folder"
            if error.errno in _FULL
            else "give a folder that you have permission to use"
        )
        return InputError(f"{error.filename or 'a file'}: {error.strerror}: {advice}")
    if "No space left on device" in text:  # TensorFlow's, with errors of its own kinds
        return InputError("no space left on the disk: free some, or give another folder")
    if isinstance(error, MemoryError) or (type(error).__name__ == "ResourceExhaustedError" and "OOM" in text):
        return InputError("out of memory: take fewer images (limit), smaller ones (image_size) or a smaller batch_size")
    return None
