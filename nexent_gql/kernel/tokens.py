"""Estimates the tokens of a text without a tokenizer."""

CHARS_PER_TOKEN = 4


def estimate_text_tokens(text: str) -> int:
    """Estimate tokens: a quarter of a token for an ASCII character, one for a Chinese one."""
    chars = len(text)
    wide = (len(text.encode(errors="surrogatepass")) - chars) // 2  # a Chinese character has three bytes
    return wide + (chars - wide) // CHARS_PER_TOKEN
