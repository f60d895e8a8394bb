"""The one exception that means: the caller can mend this."""

import re


class InputError(ValueError):
    """What came, what was expected, what to do, in one line. The command line prints it and exits with 2."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))


def met_by_tensorflow(error: BaseException | None) -> InputError | None:
    """The bad input that an error of TensorFlow's is about, such as a file that tf.data could not read any more."""
    line = re.search(r"\bInputError: (.+)", str(error)) if type(error).__module__.startswith("tensorflow.") else None
    return line and InputError(line[1])
