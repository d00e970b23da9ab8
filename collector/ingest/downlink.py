"""What the collector says to devices: signed, and meant for one connection of one device.

Owned by the ingest task. Nothing is kept for resending: an ack that is lost is asked for again by the row that it was
for, and files are asked for again when the device's connection changes.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from collector.ingest.intake import Answer
from collector.ingest.verdicts import Refused
from collector.store.media import Missing
from edge_wire import codec, cose
from edge_wire.messages import Ack, Command, DownBody, DownHeader, Resend, Stream, Verdict, Wanted
from edge_wire.messages import Refused as RefusedBody
from edge_wire.packing import ranges_of
from edge_wire.topics import Channel, Topic

_COMMAND_ID_BITS = 53


class Publisher(Protocol):
    """The way to the broker."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Send, if there is a connection; what cannot be sent is counted and dropped."""
        ...


@dataclass(frozen=True, slots=True)
class Address:
    """Where a device listens now: its agency as it calls it, and the connection that it takes messages for."""

    agency: str
    device: str
    epoch: int
    connection: int


class Downlink:
    """Signs and sends.

    Args:
        publisher: the way to the broker.
        key: the collector's key, which devices pin.
        store_id: which store acks speak of.
        utc_ns: our wall clock.
    """

    def __init__(
        self, publisher: Publisher, key: ec.EllipticCurvePrivateKey, store_id: bytes, utc_ns: Callable[[], int]
    ) -> None:
        self._publisher = publisher
        self._key = key
        self._store_id = store_id
        self._utc_ns = utc_ns

    def ack(self, answers: Iterable[Answer]) -> int:
        """Send acks for what is committed, as few messages as there are (connection, epoch, stream, verdict).

        Returns:
            How many answers could not be addressed, because their publish did not say over which connection it came.
        """
        unaddressed = 0
        # By what tells one connection from another on the way here: of many rows nearly all are the same.
        grouped: defaultdict[tuple[str, bytes | None, int, int, Verdict], list[Answer]] = defaultdict(list)
        for one in answers:
            identity, received = one.identity, one.received
            grouped[received.topic, received.correlation, identity.epoch, identity.stream, one.verdict].append(one)
        for (_, _, epoch, stream, verdict), some in grouped.items():
            connection = some[0].received.connection
            if connection is None:
                unaddressed += len(some)
                continue
            address = Address(some[0].topic.agency, some[0].topic.device, *connection)
            ranges = ranges_of(one.identity.sequence for one in some)
            self._send(address, Channel.ACK, Ack(epoch, Stream(stream), ranges, verdict, self._store_id))
        return unaddressed

    def refuse(self, refused: Iterable[Refused]) -> int:
        """Tell devices which bytes could not be verified; returns how many could not be addressed."""
        unaddressed = 0
        for one in refused:
            connection = one.received.connection
            if one.topic is None or connection is None:
                unaddressed += 1
                continue
            address = Address(one.topic.agency, one.topic.device, *connection)
            self._send(address, Channel.ACK, RefusedBody(one.digest, one.reason))
        return unaddressed

    def tell_store(self, address: Address) -> None:
        """Tell a device which store acks now: an ack of no rows. One that knows another answers with its Statement."""
        ack = Ack(address.epoch, Stream.REPORT, (), Verdict.STORED, self._store_id)
        self._send(address, Channel.ACK, ack)

    def ask_again(self, asking: Iterable[tuple[Address, Resend]]) -> None:
        """Ask devices for rows that the store does not have."""
        for address, body in asking:
            self._send(address, Channel.COMMAND, body)

    def ask_for(self, address: Address, missing: Missing) -> None:
        """Ask a device for files of one of its reads or shots, the first things first."""
        body = Command(
            id=secrets.randbits(_COMMAND_ID_BITS),
            name="send_media",
            of_epoch=missing.epoch,
            track=missing.track,
            sequence=missing.sequence,
            wanted=tuple(Wanted(part, sha256) for part, sha256 in missing.wanted),
        )
        self._send(address, Channel.COMMAND, body)

    def _send(self, address: Address, channel: Channel, body: DownBody) -> None:
        header = DownHeader(address.epoch, address.connection, address.device, self._utc_ns())
        envelope = cose.sign(codec.encode(header, body), self._key, cose.external_aad(address.device, channel))
        self._publisher.publish(str(Topic(address.agency, address.device, channel)), envelope)
