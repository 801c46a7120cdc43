"""What every `SecretBox` promises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from nexent_gql.adapters.secrets_aesgcm import AesGcmSecretBox
from nexent_gql.ports.secrets import SecretBox, SecretUnreadableError

OLD, NEW = SecretStr("an old installation secret of 40 letters"), SecretStr("a new installation secret of 40 letters.")
PLACE = "tenant-1/chat_model/api_key/row-1"
CANARY = SecretStr("sk-canary-3141592653589793")


@pytest.fixture
def box() -> SecretBox:
    return AesGcmSecretBox([OLD])


@given(secret=st.text(max_size=200), place=st.text(max_size=80))
def test_opens_what_it_sealed(secret: str, place: str) -> None:
    box = AesGcmSecretBox([OLD])
    assert box.open(box.seal(SecretStr(secret), place), place).get_secret_value() == secret


def test_does_not_show_the_secret_and_never_seals_alike(box: SecretBox) -> None:
    first, second = box.seal(CANARY, PLACE), box.seal(CANARY, PLACE)
    assert first != second
    assert CANARY.get_secret_value().encode() not in first


@pytest.mark.parametrize("place", ["tenant-2/chat_model/api_key/row-1", "tenant-1/chat_model/api_key/row-2", ""])
def test_refuses_a_value_moved_to_another_place(box: SecretBox, place: str) -> None:
    with pytest.raises(SecretUnreadableError):
        box.open(box.seal(CANARY, PLACE), place)


def test_refuses_any_changed_byte_and_any_cut(box: SecretBox) -> None:
    sealed = box.seal(CANARY, PLACE)
    changed = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    for wrong in (*changed, *(sealed[:end] for end in range(len(sealed))), sealed + b"\0"):
        with pytest.raises(SecretUnreadableError) as caught:
            box.open(wrong, PLACE)
        assert CANARY.get_secret_value() not in str(caught.value)


def test_refuses_a_value_of_another_installation() -> None:
    with pytest.raises(SecretUnreadableError):
        AesGcmSecretBox([NEW]).open(AesGcmSecretBox([OLD]).seal(CANARY, PLACE), PLACE)


def test_reads_old_values_and_seals_new_ones_after_a_rotation() -> None:
    before, during, after = AesGcmSecretBox([OLD]), AesGcmSecretBox([OLD, NEW]), AesGcmSecretBox([NEW, OLD])
    for writer in (before, during, after):
        for reader in (during, after):
            assert reader.open(writer.seal(CANARY, PLACE), PLACE) == CANARY
    with pytest.raises(SecretUnreadableError):
        before.open(after.seal(CANARY, PLACE), PLACE)
    assert during.is_current(before.seal(CANARY, PLACE), PLACE)
    assert not after.is_current(before.seal(CANARY, PLACE), PLACE)
    assert after.is_current(after.seal(CANARY, PLACE), PLACE)
    assert not after.is_current(after.seal(CANARY, PLACE), f"{PLACE}0")


def test_needs_a_key() -> None:
    with pytest.raises(ValueError, match="needs a key"):
        AesGcmSecretBox([])


def test_opens_what_earlier_releases_sealed() -> None:
    sealed = bytes.fromhex(
        "017ee257286a8b6533ddaf997bb3b293489bf70a1d5ab46b719a7c00ca4dc62c1471cce0a9b040b8a255d9f40c41303e8e2d8b3e312dfa"
    )
    assert AesGcmSecretBox([NEW, OLD]).open(sealed, PLACE) == CANARY
