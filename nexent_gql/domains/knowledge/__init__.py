"""Knowledge bases: documents, their text in chunks, and the jobs that turn files into both.

Owns bases, documents, versions of documents and chunks. Files belong to `files`, models to `models`; how a search ranks
chunks belongs to the search index behind its port.
"""
