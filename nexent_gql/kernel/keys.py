"""Keys derived from the installation's secret, one per purpose."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

KEY_BYTES = 32


def derive_key(secret: SecretStr, purpose: str) -> bytes:
    """Return 32 bytes (HKDF-SHA256); each purpose has its own key, which is always the same."""
    kdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"nexent_gql/{purpose}".encode())
    return kdf.derive(secret.get_secret_value().encode())
