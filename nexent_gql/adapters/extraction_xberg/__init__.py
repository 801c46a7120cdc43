"""The `extraction` port: reads files in child processes of the pool.

`extractor` is the side of the caller. The rest runs in a child: `task` is what it is asked to do, `kinds` recognizes
types, `checks` refuses what is encrypted, damaged or a bomb, and `reading` hands a file to its reader: `engine` (xberg)
for most types, our own readers for text, web pages, tables of text, slides, mails and archives. `builder` collects the
result.
"""

from nexent_gql.adapters.extraction_xberg.extractor import EXTRACTOR_VERSION, ProcessExtractor

__all__ = ["EXTRACTOR_VERSION", "ProcessExtractor"]
