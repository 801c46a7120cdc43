"""Secrets sealed by AES-256-GCM.

A sealed value is: a byte for the version of this format, 12 bytes of nonce, the ciphertext, 16 bytes of tag. The place
is authenticated, not stored, so a value that was copied to another row or tenant does not open there.
"""

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from nexent_gql.kernel.keys import derive_key
from nexent_gql.ports.secrets import SecretUnreadableError

_VERSION = b"\x01"
_NONCE_BYTES = 12
_HEAD_BYTES = len(_VERSION) + _NONCE_BYTES


class AesGcmSecretBox:
    """A `SecretBox`; seals under the first key, opens under any.

    Args:
        secret_keys: Keys of the installation in any order, the one that seals first. Remove none that still has values.

    Raises:
        ValueError: There is no key.
    """

    def __init__(self, secret_keys: Sequence[SecretStr]) -> None:
        if not secret_keys:
            message = "a secret box needs a key"
            raise ValueError(message)
        self._ciphers = [AESGCM(derive_key(secret, "secrets/aes-256-gcm")) for secret in secret_keys]

    def seal(self, secret: SecretStr, place: str) -> bytes:
        """Encrypt under the first key."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._ciphers[0].encrypt(nonce, secret.get_secret_value().encode(), _bound(place))

    def open(self, sealed: bytes, place: str) -> SecretStr:
        """Decrypt under the key that fits.

        Raises:
            SecretUnreadableError: That key is not here, or the value is not what was sealed for this place.
        """
        for cipher in self._ciphers:
            if (text := _decrypt(cipher, sealed, place)) is not None:
                return SecretStr(text.decode())
        message = "A stored secret can't be opened; enter it again, or start with the key it was stored under."
        raise SecretUnreadableError(message)

    def is_current(self, sealed: bytes, place: str) -> bool:
        """Tell whether the first key opens it."""
        return _decrypt(self._ciphers[0], sealed, place) is not None


def _decrypt(cipher: AESGCM, sealed: bytes, place: str) -> bytes | None:
    if len(sealed) < _HEAD_BYTES or not sealed.startswith(_VERSION):
        return None
    try:
        return cipher.decrypt(sealed[len(_VERSION) : _HEAD_BYTES], sealed[_HEAD_BYTES:], _bound(place))
    except InvalidTag:
        return None


def _bound(place: str) -> bytes:
    """Return what is authenticated beside the text."""
    return _VERSION + place.encode()
