"""Secrets sealed by AES-256-GCM.

A sealed value is: one byte that names the key (0 is reserved), 12 bytes of nonce, the ciphertext, 16 bytes of tag.
The place is authenticated, not stored, so a value that was copied to another row or tenant does not open there.
"""

import os
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from nexent_gql.kernel.keys import derive_key
from nexent_gql.ports.secrets import SecretUnreadableError

_NONCE_BYTES = 12
_HEAD_BYTES = 1 + _NONCE_BYTES
_MAX_KEYS = 255


class AesGcmSecretBox:
    """A `SecretBox`; seals under the last key, opens under any.

    Args:
        secret_keys: Secrets of the installation, oldest first. A secret's number in this order is part of every
            value sealed under it: append new ones, and remove none that still has values.

    Raises:
        ValueError: There is no key, or more than 255.
    """

    def __init__(self, secret_keys: Sequence[SecretStr]) -> None:
        if not 0 < len(secret_keys) <= _MAX_KEYS:
            message = f"1 to {_MAX_KEYS} keys, not {len(secret_keys)}"
            raise ValueError(message)
        self._ciphers: Mapping[int, AESGCM] = {
            number: AESGCM(derive_key(secret, "secrets/aes-256-gcm")) for number, secret in enumerate(secret_keys, 1)
        }
        self._newest = len(secret_keys)

    def seal(self, secret: SecretStr, place: str) -> bytes:
        """Encrypt under the newest key."""
        head = bytes([self._newest]) + os.urandom(_NONCE_BYTES)
        text = secret.get_secret_value().encode()
        return head + self._ciphers[self._newest].encrypt(head[1:], text, _bound(head, place))

    def open(self, sealed: bytes, place: str) -> SecretStr:
        """Decrypt under the key that the value names.

        Raises:
            SecretUnreadableError: That key is not here, or the value is not what was sealed for this place.
        """
        head, body = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES:]
        cipher = self._ciphers.get(head[0]) if len(head) == _HEAD_BYTES else None
        try:
            if cipher is not None:
                return SecretStr(cipher.decrypt(head[1:], body, _bound(head, place)).decode())
        except InvalidTag:
            pass
        message = "A stored secret can't be opened; enter it again, or start with the key it was stored under."
        raise SecretUnreadableError(message)


def _bound(head: bytes, place: str) -> bytes:
    """Return what is authenticated beside the text: the key's number and the place."""
    return head[:1] + place.encode()
