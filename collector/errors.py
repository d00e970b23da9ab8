"""Errors of the collector, classed by what one does about them."""


class CollectorError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigurationError(CollectorError):
    """Something a person has to change: a file, a value, an argument. Commands exit with 2."""


class StoreError(CollectorError):
    """The store cannot be reached or refused: transient, tried again with back-off."""


class StoreRefusedError(StoreError):
    """The store works but does not take these rows: poison, never tried again as they are."""


class NotFoundError(CollectorError):
    """What was asked for does not exist."""


class ConflictError(CollectorError):
    """What was asked cannot be done to it as it stands; the text says why, and what could be done first."""


class AuthenticationError(CollectorError):
    """Nobody we know: wrong password, token or login code, or one that has expired."""


class PermissionDeniedError(CollectorError):
    """Somebody we know, but their role may not do this."""
