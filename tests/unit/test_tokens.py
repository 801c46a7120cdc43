"""Credentials as text: what RFC 8725 wants of JWTs, and what refresh tokens and API keys promise."""

import base64
import gc
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr

from nexent_gql.domains.identity.credentials import ApiKeyText, Digests, RefreshToken
from nexent_gql.domains.identity.errors import InvalidRefreshTokenError, InvalidTokenError
from nexent_gql.domains.identity.tokens import ALGORITHM, AUDIENCE, ISSUER, TYPE, AccessTokens, Claims
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.keys import derive_key
from tests.support.clock import MovableClock

SECRET = SecretStr("the secret of this installation, of 40+")
OTHER = SecretStr("the secret of another installation, 40+")
KEY = derive_key(SECRET, "identity/access-token")
TENANT, USER, SESSION = UUID(int=1), UUID(int=2), UUID(int=3)
HEADER = {"alg": ALGORITHM, "typ": TYPE}
TOKENS = AccessTokens(SECRET, utc_now)
DIGESTS = Digests(SECRET)


def claims(**changes: object) -> dict[str, object]:
    """Return good claims, changed; None leaves one out."""
    now = int(utc_now().timestamp())
    good: dict[str, object] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(USER),
        "tid": str(TENANT),
        "sid": str(SESSION),
        "jti": "1",
        "iat": now,
        "exp": now + 600,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def sign(payload: object, *, key: bytes = KEY, header: Mapping[str, object] = HEADER, digest: str = "sha256") -> str:
    """Return a token whose MAC is right for the key, whatever its header says."""
    content = f"{part(header)}.{part(payload)}"
    mac = hmac.digest(key, content.encode(), digest)
    return f"{content}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


ODD_TIMES = (1e300, -1e300, 10**400, float("inf"), float("nan"), [1], {"a": 1}, "9" * 5_000, 2**63, 253_402_300_800)
ODD_VALUES = (1, 1.5, True, [str(USER)], {"a": str(USER)}, "", "x" * 100_000, "\0", "\ud800", f"{USER}\n{USER}")
IDS = ("sub", "tid", "sid")


def refused() -> dict[str, str]:
    """Return tokens that have to be refused, by what is wrong with them."""
    now = int(utc_now().timestamp())
    good = claims()
    public = generate_private_key(public_exponent=65_537, key_size=2_048).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    issued = TOKENS.issue(TENANT, USER, SESSION, ttl_s=60).text.get_secret_value()
    head, body, mac = issued.split(".")
    table = {
        "algorithm none": f"{part({'alg': 'none', 'typ': TYPE})}.{part(good)}.",
        "algorithm None with a MAC": f"{part({'alg': 'None', 'typ': TYPE})}.{part(good)}.{mac}",
        "no MAC": f"{head}.{body}.",
        "another payload under the MAC": f"{head}.{part(claims(sub=str(UUID(int=9))))}.{mac}",
        "HS384 with the right key": sign(good, header={"alg": "HS384", "typ": TYPE}, digest="sha384"),
        "RS256 named, MAC by the key": sign(good, header={"alg": "RS256", "typ": TYPE}),
        "MAC by a public key": sign(good, key=pem),
        "MAC by the empty key": sign(good, key=b""),
        "key of another installation": sign(good, key=derive_key(OTHER, "identity/access-token")),
        "key of another purpose": sign(good, key=derive_key(SECRET, "identity/refresh")),
        "the installation's secret as key": sign(good, key=SECRET.get_secret_value().encode()),
        "own key in the header": sign(
            good,
            key=b"\0\0\0",
            header={**HEADER, "jwk": {"kty": "oct", "k": "AAAA"}, "jku": "https://evil.example/"},
        ),
        "an unknown critical extension": sign(good, header={**HEADER, "crit": ["x"], "x": 1}),
        "another type": sign(good, header={"alg": ALGORITHM, "typ": "JWT"}),
        "no type": sign(good, header={"alg": ALGORITHM}),
        "another issuer": sign(claims(iss="somebody")),
        "another audience": sign(claims(aud="somebody")),
        "expired": sign(claims(iat=now - 100, exp=now - 6)),
        "issued in the future": sign(claims(iat=now + 3_600, exp=now + 7_200)),
        "an end that is no number": sign(claims(exp="never")),
        **{f"an end that is {value!r:.20}": sign(claims(exp=value)) for value in ODD_TIMES},
        **{f"issued at {value!r:.20}": sign(claims(iat=value)) for value in ODD_TIMES if value != -1e300},
        **{f"not before {value!r:.20}": sign(claims(nbf=value)) for value in ODD_TIMES if value != -1e300},
        **{f"{name} that is {value!r:.20}": sign(claims(**{name: value})) for name in IDS for value in ODD_VALUES},
        "claims within claims": sign(claims(tid=json.loads("[" * 400 + "]" * 400))),
        "a tenant that is no id": sign(claims(tid="somewhere")),
        "a session that is no id": sign(claims(sid="1")),
        "claims that are a list": sign(["a"]),
        "an API key": ApiKeyText.new().text.get_secret_value(),
        "a refresh token": RefreshToken(TENANT, SESSION, 0).text(DIGESTS).get_secret_value(),
        "nothing": "",
        "no token at all": "Bearer",
        "not ASCII": "ä.ö.ü",
        "half a surrogate pair": "\ud800.a.b",
    }
    left_out = {f"no {name}": sign(claims(**{name: None})) for name in good}
    return table | left_out


REFUSED = refused()


@pytest.mark.parametrize("token", REFUSED.values(), ids=REFUSED.keys())
def test_refuses_every_token_that_is_not_ours_and_whole(token: str) -> None:
    with pytest.raises(InvalidTokenError) as caught:
        TOKENS.verify(token)
    assert (caught.value.code, caught.value.message, caught.value.details) == (
        "UNAUTHENTICATED",
        "This credential is invalid or expired: sign in again.",
        {},
    )


def test_accepts_what_it_issued() -> None:
    token = TOKENS.issue(TENANT, USER, SESSION, ttl_s=60)
    read = TOKENS.verify(token.text.get_secret_value())
    assert (read.tenant_id, read.user_id, read.session_id, read.expires_at) == (TENANT, USER, SESSION, token.expires_at)
    assert timedelta(seconds=58) < token.expires_at - datetime.now(UTC) <= timedelta(seconds=60)


def test_accepts_the_table_s_good_token() -> None:
    assert TOKENS.verify(sign(claims())).user_id == USER


def test_forgives_clocks_that_are_five_seconds_apart() -> None:
    now = int(utc_now().timestamp())
    assert TOKENS.verify(sign(claims(iat=now + 3, exp=now + 60))).user_id == USER
    assert TOKENS.verify(sign(claims(iat=now - 60, exp=now - 2))).user_id == USER


def test_a_token_that_was_read_before_ends_all_the_same() -> None:
    clock = MovableClock()
    tokens = AccessTokens(SECRET, clock)
    text = sign(claims())
    assert tokens.verify(text) is tokens.verify(text)
    clock.pass_s(600)
    assert tokens.verify(text).user_id == USER
    clock.pass_s(10)
    with pytest.raises(InvalidTokenError):
        tokens.verify(text)


def test_nothing_is_kept_of_tokens_that_have_expired() -> None:
    clock = MovableClock()
    tokens, user = AccessTokens(SECRET, clock), uuid4()

    def claims_in_memory() -> int:
        return sum(isinstance(each, Claims) and each.user_id == user for each in gc.get_objects())

    def issue(ttl_s: int) -> str:
        return tokens.issue(TENANT, user, uuid4(), ttl_s=ttl_s).text.get_secret_value()

    lasting = issue(86_400)
    for _ in range(3):
        tokens.verify(issue(60))
        tokens.verify(lasting)
    assert claims_in_memory() == 4
    clock.pass_s(70)
    tokens.verify(sign(claims()))
    assert claims_in_memory() == 1


def test_a_token_that_was_read_before_vouches_for_no_other() -> None:
    tokens = AccessTokens(SECRET, utc_now)
    text = sign(claims())
    assert tokens.verify(text).user_id == USER
    for changed in (text[:-2], f"{text}\udcff", sign(claims(), key=b"another key, thirty-two bytes long")):
        with pytest.raises(InvalidTokenError):
            tokens.verify(changed)


def test_no_two_tokens_are_alike() -> None:
    assert TOKENS.issue(TENANT, USER, SESSION, ttl_s=60) != TOKENS.issue(TENANT, USER, SESSION, ttl_s=60)


def test_a_refresh_token_is_read_back_and_always_the_same() -> None:
    token = RefreshToken(TENANT, SESSION, 7)
    text = token.text(DIGESTS)
    assert RefreshToken.parse(text, DIGESTS) == token
    assert text == RefreshToken(TENANT, SESSION, 7).text(DIGESTS)
    assert text != RefreshToken(TENANT, SESSION, 8).text(DIGESTS)


def test_a_refresh_token_with_any_character_changed_is_refused() -> None:
    text = RefreshToken(TENANT, SESSION, 7).text(DIGESTS).get_secret_value()
    changed = [text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :] for at in range(len(text))]
    foreign = RefreshToken(TENANT, SESSION, 7).text(Digests(OTHER)).get_secret_value()
    for wrong in (*changed, text[:-1], text + "A", text + "=", foreign, "", "nxr_", "nxr_\ud800", "nxr_ä"):
        with pytest.raises(InvalidRefreshTokenError):
            RefreshToken.parse(SecretStr(wrong), DIGESTS)


def test_an_api_key_has_a_form_that_scanners_find() -> None:
    text = ApiKeyText.new().text.get_secret_value()
    prefix, key_id, rest = text.split("_")
    assert (prefix, len(key_id), len(rest), text.isascii()) == ("nxg", 12, 49, True)
    assert ApiKeyText.parse(text).key_id == key_id


def test_no_two_api_keys_are_alike() -> None:
    assert len({ApiKeyText.new().text.get_secret_value() for _ in range(1_000)}) == 1_000


def test_a_mistyped_api_key_is_refused_before_anything_is_asked() -> None:
    text = ApiKeyText.new().text.get_secret_value()
    changed = [text[:at] + ("a" if text[at] != "a" else "b") + text[at + 1 :] for at in range(len(text))]
    for wrong in (
        *changed,
        text[:-1],
        text + "a",
        text.upper(),
        "",
        "nxg_",
        "nxg_a_b",
        text.replace("_", "-"),
        "nxg_ä",
    ):
        with pytest.raises(InvalidTokenError):
            ApiKeyText.parse(wrong)


def test_what_is_stored_of_an_api_key_depends_on_the_installation() -> None:
    key = ApiKeyText.new()
    assert key.digest(DIGESTS) == key.digest(Digests(SECRET)) != key.digest(Digests(OTHER))
    assert key.text.get_secret_value().encode() not in key.digest(DIGESTS)


def test_credentials_do_not_show_in_their_repr() -> None:
    token, key = TOKENS.issue(TENANT, USER, SESSION, ttl_s=60), ApiKeyText.new()
    assert token.text.get_secret_value() not in repr(token)
    assert key.text.get_secret_value() not in repr(key)
