"""The exceptions of the engine."""

__all__ = ["DeepMapperError", "DivergedError"]


class DeepMapperError(ValueError):
    """Input that the engine cannot use.

    The message tells what is wrong, where, what was expected, what was found, and what to do.
    """


class DivergedError(DeepMapperError):
    """The training loss became NaN or infinite, and training stopped."""
