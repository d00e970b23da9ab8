"""Errors of the edge agent, classed by what one does about them.

Configuration errors end the command with the place and the fix. Transient errors are counted and tried again.
Fatal errors stop the agent loudly. The text of each says where, what was there, and what was expected.
"""


class AgentError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigurationError(AgentError):
    """Something a person has to change: a file, a value, a missing model. Commands exit with 2."""


class ModelError(ConfigurationError):
    """A model is missing, damaged, or not the one that its digest names. Commands exit with 3."""


class PullError(AgentError):
    """A model file could not be fetched or copied, or was not the one that it should be; nothing was installed."""


class SourceError(AgentError):
    """A camera, microphone or file gave nothing usable. Transient for live sources, final for files."""


class OutboxError(AgentError):
    """The outbox could not keep what it was given; the detection was not accepted."""


class UplinkError(AgentError):
    """The broker could not be reached or refused us; tried again with back-off."""
