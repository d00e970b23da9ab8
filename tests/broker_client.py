"""One MQTT 5 connection to a private broker, for tests that ask what a certificate can do."""

import queue
import ssl

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from private_broker import ClientFiles, PrivateBroker

TIMEOUT_S = 10


class Client:
    """One MQTT 5 connection; what paho's thread receives waits in queues."""

    def __init__(
        self,
        broker: PrivateBroker,
        files: ClientFiles,
        *,
        client_id: str = "",
        will: str | None = None,
        clean_start: bool = True,
    ) -> None:
        self._answers: queue.Queue[str] = queue.Queue()
        self._messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._ends: queue.Queue[str] = queue.Queue()
        context = ssl.create_default_context(cafile=str(broker.authority))
        context.load_cert_chain(*files)
        self._paho = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv5, reconnect_on_failure=False
        )
        self._paho.tls_set_context(context)
        self._paho.on_connect = lambda _c, _u, _f, reason, _p: self._answers.put(str(reason))
        self._paho.on_publish = lambda _c, _u, _m, reason, _p: self._answers.put(str(reason))
        self._paho.on_subscribe = lambda _c, _u, _m, reasons, _p: self._answers.put(str(reasons[0]))
        self._paho.on_message = lambda _c, _u, message: self._messages.put((message.topic, bytes(message.payload)))
        self._paho.on_disconnect = lambda _c, _u, _f, reason, _p: self._ends.put(str(reason))
        if will is not None:
            self._paho.will_set(will, b"will", 1)
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types there
        session.SessionExpiryInterval = 0 if clean_start else 3600
        self._paho.connect(broker.host, broker.port, clean_start=clean_start, properties=session)
        self._paho.loop_start()
        assert self._answers.get(timeout=TIMEOUT_S) == "Success"

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> str:
        """Return the broker's answer."""
        self._paho.publish(topic, payload, 1, retain)
        return self._answers.get(timeout=TIMEOUT_S)

    def send(self, topic: str, payload: bytes) -> None:
        """Publish without waiting for an answer."""
        self._paho.publish(topic, payload, 1)

    def subscribe(self, topic: str) -> str:
        """Return the broker's answer, which proves nothing."""
        self._paho.subscribe(topic, 1)
        return self._answers.get(timeout=TIMEOUT_S)

    def next(self) -> tuple[str, bytes]:
        """Return the next message that is delivered."""
        return self._messages.get(timeout=TIMEOUT_S)

    def end(self) -> str:
        """Wait until the broker ends the connection and return its reason."""
        return self._ends.get(timeout=TIMEOUT_S)

    def close(self) -> None:
        self._paho.disconnect()
        self._paho.loop_stop()
