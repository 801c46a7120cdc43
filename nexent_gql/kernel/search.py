"""Text as it is compared by searches, so that what looks or reads the same is found."""

import unicodedata


def fold(text: str) -> str:
    """Return `text` with compatible forms, case and white space made equal (NFKC, case folding, single spaces).

    "ＺÜＲＩＣＨ", "Zürich" and its decomposed form are all "zürich"; a final sigma is a sigma.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())
