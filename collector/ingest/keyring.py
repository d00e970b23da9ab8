"""The public keys that ingest verifies with, kept at hand. A key never changes, so what is known stays true."""

from __future__ import annotations

from collections.abc import Collection

from collector.ingest.verdicts import Keys, VerifyingKey
from collector.store import intake
from collector.store.database import Store
from edge_wire import cose

# A fleet's keys of many months; what is dropped is read again.
_CAPACITY = 20_000


class Keyring:
    """Keys by device and key id. Owned by the ingest task.

    Args:
        store: where the keys are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys: dict[tuple[str, bytes], VerifyingKey] = {}

    @property
    def at_hand(self) -> Keys:
        """The keys that need not be looked for."""
        return self._keys

    async def fetch(self, signers: Collection[tuple[str, bytes]]) -> Keys:
        """Return the known keys, having looked for those of ``signers`` that are not at hand.

        Raises:
            StoreError: the store cannot be reached.
        """
        absent = [signer for signer in set(signers) if signer not in self._keys]
        if absent:
            if len(self._keys) > _CAPACITY:
                # A new mapping: a batch that is being judged goes on with the old one.
                self._keys = {}
                absent = list(set(signers))
            async with self._store.read() as tx:
                found = await intake.signing_keys(tx, absent)
            for signer, (spki, epoch) in found.items():
                self._keys[signer] = VerifyingKey(cose.load_spki(spki), epoch)
        return self._keys
