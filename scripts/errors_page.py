"""Write docs/errors.md from the error classes."""

from pathlib import Path

from nexent_gql.api.schema.errors_page import errors_page

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"

if __name__ == "__main__":
    PAGE.write_text(errors_page())
    print(f"wrote {PAGE}")
