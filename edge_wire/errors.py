"""What can be wrong with bytes from the other side.

Every error is poison in the sense of the design: the message goes to the dead letters with ``reason``, and the
stream goes on.
"""

MAX_TEXT = 400
"""Characters of an error's text."""


class WireError(ValueError):
    """Base of all: ``reason`` is a short stable word for counting, the text says where and what.

    The text quotes what came and goes into logs and dead letters, so it is cut: a stranger's message does not get to
    say how much is written there.

    Attributes:
        reason: a stable identifier such as ``duplicate_key``; dead letters are counted by it.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…")
        self.reason = reason


class DecodeError(WireError):
    """The bytes are not the deterministic CBOR that the protocol asks for, or not a message that we know."""


class SignatureError(WireError):
    """The envelope does not verify: wrong key, changed bytes, or moved to another topic."""


class TopicError(WireError):
    """A topic, device id or agency that does not follow the protocol."""
