"""A mosquitto of one's own: on a free loopback port, with throwaway certificates, for the demo and the tests.

It runs ``configs/mosquitto/nightjar.conf`` with nothing changed but port, paths and user, so what holds here holds in
production. Everything it writes lies in the folder that it is given. One thread owns a broker.

    with PrivateBroker(folder, devices=["trailer-1"]) as broker:
        ...connect to broker.host, broker.port with broker.authority and broker.client("trailer-1")
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from collector.fleet import broker_access, certificates

CONFIGURATION = Path(__file__).parents[1] / "configs" / "mosquitto" / "nightjar.conf"

_POLL_S = 0.02
_DEADLINE_S = 10.0
# The shortest MQTT 5 greeting: clean start, keep-alive 60 s, no properties, client id left to the broker.
_MQTT_CONNECT = b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00"
_MQTT_CONNACK = b"\x20"
_MQTT_DISCONNECT = b"\xe0\x00"
_PLUGIN = "mosquitto_dynamic_security.so"


class BrokerError(RuntimeError):
    """The broker is not installed, does not start or does not answer. The text says why and what to do."""


class ClientFiles(NamedTuple):
    """What a client needs to connect, beside the authority's certificate."""

    certificate: Path
    key: Path


class PrivateBroker:
    """A mosquitto that listens on loopback only, TLS with client certificates, default-deny.

    Args:
        folder: where everything lies: certificates, the broker's state, its log. Made if absent; an earlier broker's
            folder is taken over with its certificates and devices.
        devices: ids that may connect from the start, beside the probe's.
        collectors: names of the collectors that may.

    Attributes:
        host: the address it listens on.
        port: assigned at construction and kept over restarts.
        authority: the PEM file that clients trust.
        log: the file with the broker's own log.
    """

    host = "127.0.0.1"

    def __init__(
        self, folder: Path, devices: Iterable[str] = (), collectors: Iterable[str] = (broker_access.COLLECTOR,)
    ) -> None:
        self._folder = folder.resolve()
        self._clients = self._folder / "clients"
        self._clients.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        self._access = self._folder / "dynamic-security.json"
        self._configuration = self._folder / "mosquitto.conf"
        self._authority_key = self._folder / "ca.key"
        self._process: subprocess.Popen[bytes] | None = None
        self.authority = self._folder / "ca.pem"
        self.log = self._folder / "broker.log"
        self.port = _free_port()
        if not self.authority.exists():
            self._make_certificates()
        if not self._access.exists():
            self._access.write_bytes(broker_access.render((), ()))
        for collector in collectors:
            self.add_collector(collector)
        for device in (broker_access.PROBE, *devices):
            self.add_device(device)

    def start(self) -> Self:
        """Start it and wait until it answers an MQTT client with a certificate.

        Raises:
            BrokerError: it is not installed, or did not come up within 10 s; its log is in the text.
        """
        if self.running:
            return self
        self._configuration.write_text(self._fill(CONFIGURATION.read_text()))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [_program(), "-c", str(self._configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the demo reaches us first, and we stop it in order
            )
        self._wait_until_ready()
        return self

    def stop(self) -> None:
        """Stop it in order, so that it saves its state; safe when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would; safe when it does not run."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it in order and start it on the same port."""
        self.stop()
        self.start()

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def collector(self) -> ClientFiles:
        """With what the collector connects; one that was added has ``client`` of its name."""
        return self.client(broker_access.COLLECTOR)

    @property
    def probe(self) -> ClientFiles:
        """With what a collector proves at start that a device can do no more than it should."""
        return self.client(broker_access.PROBE)

    def client(self, name: str) -> ClientFiles:
        """Return the files of a device or service that was added; they may be anywhere below the folder."""
        return ClientFiles(self._clients / f"{name}.pem", self._clients / f"{name}.key")

    def certify(self, device: str, public_key: bytes | None = None) -> ClientFiles:
        """Give a device a certificate, which by itself lets it do nothing; ``add_device`` gives it its rights too.

        Args:
            device: its id.
            public_key: PEM, when the device made its own key. Then no key is written: it stays where it was made.

        Returns:
            its certificate, and where its key is if it was made here.

        Raises:
            CertificateError: the id or the key cannot be certified.
        """
        files = self.client(device)
        if public_key is None:
            if not files.key.exists():
                certificates.write_private(files.key, certificates.new_key())
            public_key = certificates.public_key(files.key.read_bytes())
        files.certificate.write_bytes(certificates.issue_device(self._issuer(), public_key, device))
        return files

    def add_device(self, device: str, public_key: bytes | None = None) -> ClientFiles:
        """Certify a device and give it its rights, whether the broker runs or not; it may have them already.

        Args and returned files are those of ``certify``.

        Raises:
            BrokerError: the running broker refused or did not answer.
            CertificateError: the id or the key cannot be certified.
        """
        files = self.certify(device, public_key)
        if not self.running:
            self._access.write_bytes(broker_access.with_device(self._access.read_bytes(), device))
        elif not broker_access.knows(self._access.read_bytes(), device):  # the plugin writes it at each change
            self._command(broker_access.addition(device))
        return files

    def add_collector(self, name: str) -> ClientFiles:
        """Give a collector its certificate and its rights, whether the broker runs or not; again changes nothing.

        Args:
            name: ``nightjar.collector``, or that with a dash and a name after it.

        Raises:
            AccessError: it has another name.
            BrokerError: the running broker refused or did not answer.
        """
        with_rights = broker_access.with_collector(self._access.read_bytes(), name)
        files = self._serve(self._issuer(), name)
        if not self.running:
            self._access.write_bytes(with_rights)
        elif not broker_access.knows(self._access.read_bytes(), name):
            self._command(broker_access.collector_addition(name))
        return files

    def add_notices(self, prefix: str, listeners: Mapping[str, Iterable[str]]) -> ClientFiles:
        """Let notices of alerts be published at a broker that does not run yet, and heard.

        Args:
            prefix: of their topics.
            listeners: common name of each program that listens, and the agencies that it hears.

        Returns:
            with what notices are published; listeners have ``client`` of their names.

        Raises:
            AccessError: a name or the prefix will not do.
            BrokerError: it is running.
        """
        if self.running:
            raise BrokerError("the broker is running: add notices before it is started")
        access = broker_access.with_notices(self._access.read_bytes(), prefix)
        for listener, agencies in listeners.items():
            access = broker_access.with_listener(access, listener, prefix, agencies)
            self._serve(self._issuer(), listener)
        self._access.write_bytes(access)
        return self._serve(self._issuer(), broker_access.NOTICES)

    def remove_device(self, device: str) -> None:
        """Disconnect a device and take its rights from the running broker; its certificate then opens nothing.

        Raises:
            BrokerError: the broker does not run, refused or did not answer.
        """
        self._command(broker_access.removal(device))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _make_certificates(self) -> None:
        authority = certificates.create_authority("Nightjar throwaway authority")
        certificates.write_private(self._authority_key, authority.key)
        key = certificates.new_key()
        certificates.write_private(self._folder / "broker.key", key)
        served = certificates.issue_server(authority, certificates.public_key(key), [self.host, "localhost"])
        (self._folder / "broker.pem").write_bytes(served)
        self._serve(authority, broker_access.FLEET)
        self.authority.write_bytes(authority.certificate)  # last: its presence says that the rest is there

    def _serve(self, authority: certificates.Authority, service: str) -> ClientFiles:
        """Give a part of the collector a key and a certificate, if it has none."""
        files = self.client(service)
        if not files.certificate.exists():
            key = certificates.new_key()
            certificates.write_private(files.key, key)
            files.certificate.write_bytes(certificates.issue_service(authority, certificates.public_key(key), service))
        return files

    def _issuer(self) -> certificates.Authority:
        return certificates.Authority(self.authority.read_bytes(), self._authority_key.read_bytes())

    def _fill(self, template: str) -> str:
        """Put our values for the production ones; each must be there exactly once, or the two have drifted apart."""
        ours = {
            "listener": f"{self.port} {self.host}",
            "certfile": str(self._folder / "broker.pem"),
            "keyfile": str(self._folder / "broker.key"),
            "cafile": str(self.authority),
            "plugin": str(_plugin()),
            "plugin_opt_config_file": str(self._access),
            "persistence_location": f"{self._folder}/",
        }
        lines = [line.split(" ", 1) for line in template.splitlines()]
        found = [name for name, *_ in lines if name in ours]
        if sorted(found) != sorted(ours):
            raise BrokerError(f"{CONFIGURATION}: got settings {sorted(found)}, expected each of {sorted(ours)} once")
        filled = [f"{name} {ours[name]}" if name in ours else " ".join([name, *rest]) for name, *rest in lines]
        if os.geteuid() == 0:
            # As root mosquitto would change to its own user, which cannot reach a folder that only we may enter.
            filled.append("user root")
        return "\n".join([*filled, ""])

    def _tls(self, name: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority))
        files = self.client(name)
        context.load_cert_chain(files.certificate, files.key)
        return context

    def _wait_until_ready(self) -> None:
        context = self._tls(broker_access.FLEET)
        deadline = time.monotonic() + _DEADLINE_S
        refused: OSError | None = None
        while self.running and time.monotonic() < deadline:
            try:
                with (
                    socket.create_connection((self.host, self.port), timeout=_DEADLINE_S) as plain,
                    context.wrap_socket(plain, server_hostname=self.host) as link,
                ):
                    link.sendall(_MQTT_CONNECT)
                    if link.recv(1) == _MQTT_CONNACK:
                        link.sendall(_MQTT_DISCONNECT)
                        return
            except OSError as error:
                refused = error
                time.sleep(_POLL_S)
        self.kill()
        raise BrokerError(f"mosquitto on {self.host}:{self.port} did not come up ({refused}); its log:\n{self._tail()}")

    def _command(self, payload: bytes) -> None:
        """Publish one command to the plugin and check its answer."""
        answered = threading.Event()
        answers: list[bytes] = []
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, reconnect_on_failure=False)
        client.tls_set_context(self._tls(broker_access.FLEET))

        def on_message(_client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
            answers.append(bytes(message.payload))
            answered.set()

        def on_connect(connected: paho.Client, *_: object) -> None:
            connected.subscribe(broker_access.RESPONSE_TOPIC, 1)
            connected.publish(broker_access.CONTROL_TOPIC, payload, 1)

        client.on_message = on_message
        client.on_connect = on_connect
        try:
            client.connect(self.host, self.port, clean_start=True)
        except OSError as error:
            raise BrokerError(f"mosquitto on {self.host}:{self.port}: {error}; is it running?") from error
        client.loop_start()
        try:
            if not answered.wait(_DEADLINE_S):
                raise BrokerError(f"dynamic-security gave no answer within {_DEADLINE_S} s; log:\n{self._tail()}")
        finally:
            client.disconnect()
            client.loop_stop()
        try:
            broker_access.check_response(answers[0])
        except broker_access.AccessError as error:
            raise BrokerError(str(error)) from error

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((PrivateBroker.host, 0))
        port: int = probe.getsockname()[1]
        return port


def _program() -> str:
    # Debian puts it in /usr/sbin, which is not on an ordinary user's path.
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise BrokerError("mosquitto is not installed: run ./scripts/setup, or `apt-get install mosquitto`")
    return found


@functools.cache
def _plugin() -> Path:
    folders = [*Path("/usr/lib").glob("*-linux-gnu*"), *map(Path, ("/usr/lib", "/usr/lib64", "/usr/local/lib"))]
    for folder in folders:
        if (folder / _PLUGIN).is_file():
            return folder / _PLUGIN
    raise BrokerError(
        f"{_PLUGIN}: not found under /usr/lib or /usr/local/lib; the distribution's mosquitto 2 has it "
        f"(`dpkg -L mosquitto | grep dynamic_security`)"
    )
