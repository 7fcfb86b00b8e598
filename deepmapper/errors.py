"""The exceptions of the engine."""


class DeepMapperError(ValueError):
    """Input that the engine cannot use: what, where, expected, got, what to try."""


class DivergedError(DeepMapperError):
    """Training met a loss that is not finite and stopped."""
