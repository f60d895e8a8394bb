"""The one exception that means: the caller can mend this."""


class InputError(ValueError):
    """What came, what was expected, what to do, in one line. The command line prints it and exits with 2."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))
