"""Presigned uploads of an exact size (AWS Signature Version 4); those of the SDK let clients send any size."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

_ALGORITHM = "AWS4-HMAC-SHA256"
_SIGNED_HEADERS = "content-length;host"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What requests are signed with."""

    access_key: str
    secret_key: SecretStr


def presign_put(url: str, credentials: Credentials, region: str, now: datetime, ttl_s: int, size_bytes: int) -> str:
    """Return the address of an upload that the service refuses with any other `Content-Length`.

    Args:
        url: Address of the object; its query is replaced.
        credentials: Of the service.
        region: Region of the bucket.
        now: When the address begins to be valid.
        ttl_s: Seconds for which it is valid.
        size_bytes: Size of the object.
    """
    parts = urlsplit(url)
    moment = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    fields = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(ttl_s),
        "X-Amz-SignedHeaders": _SIGNED_HEADERS,
    }
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(fields.items()))
    headers = f"content-length:{size_bytes}\nhost:{parts.netloc}\n"
    request = f"PUT\n{parts.path}\n{query}\n{headers}\n{_SIGNED_HEADERS}\nUNSIGNED-PAYLOAD"
    text = "\n".join((_ALGORITHM, moment, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{credentials.secret_key.get_secret_value()}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    return f"{parts.scheme}://{parts.netloc}{parts.path}?{query}&X-Amz-Signature={key.hex()}"
