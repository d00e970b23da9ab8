"""The files that a connection rests on: whom we trust, and what shows who we are. Blocking."""

from __future__ import annotations

import ssl
from functools import partial

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edge_agent.errors import ConfigurationError
from edge_agent.uplink.settings import UplinkSettings
from edge_agent.uplink.verify import load_collector_keys


def check_files(settings: UplinkSettings) -> None:
    """Load every file that a connection needs, to say at the start what no later attempt could mend.

    Raises:
        ConfigurationError: one is missing or not what it should be; the text names it and says what to do.
    """
    tls_context(settings)
    load_collector_keys(settings.collector_key_paths)


def tls_context(settings: UplinkSettings) -> ssl.SSLContext:
    """Trust the configured authority alone and show the device's certificate.

    Raises:
        ConfigurationError: a file is missing or not what it should be; the text names it and says what to do.
    """
    # OpenSSL does not say which of its files it means, and asks at the terminal for the password of a locked key.
    for name, path, load in (
        ("the authority's certificate", settings.ca_path, x509.load_pem_x509_certificates),
        ("the device's certificate", settings.cert_path, x509.load_pem_x509_certificates),
        ("the device's private key", settings.key_path, partial(load_pem_private_key, password=None)),
    ):
        try:
            load(path.read_bytes())
        except OSError as error:
            text = f"{path}: {name}: {error.strerror}; put it there as PEM, readable by the agent's user"
            raise ConfigurationError(text) from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigurationError(f"{path}: {name}: expected unencrypted PEM, put that there: {error}") from error
    try:
        context = ssl.create_default_context(cafile=str(settings.ca_path))
        context.load_cert_chain(settings.cert_path, settings.key_path)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        text = f"{settings.cert_path}: does not go with {settings.key_path}: {error}; use the certificate for this key"
        raise ConfigurationError(text) from error
    return context
