"""Vectors of one document in a temporary file, so that a large document does not hold them in memory."""

from array import array
from collections.abc import Sequence
from tempfile import TemporaryFile
from typing import overload

from nexent_gql.ports.embeddings import Vector


class VectorFile(Sequence[Vector]):
    """Vectors of one length; it blocks, so that it belongs into a thread. Closing it deletes the file."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._count = 0
        self.dimensions: int = 0

    def extend(self, vectors: Sequence[Vector]) -> None:
        """Append vectors.

        Raises:
            ValueError: Their lengths differ.
        """
        for vector in vectors:
            self.dimensions = self.dimensions or len(vector)
            if len(vector) != self.dimensions:
                raise ValueError("the vectors of a document have one length")
        self._file.seek(0, 2)
        for vector in vectors:
            self._file.write(vector.tobytes())
        self._count += len(vectors)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Vector: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Vector]: ...

    def __getitem__(self, index: int | slice) -> "Vector | Sequence[Vector]":
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(self._count))]
        if not 0 <= index < self._count:
            raise IndexError(index)
        vector = array("f")
        size_bytes = self.dimensions * vector.itemsize
        self._file.seek(index * size_bytes)
        vector.frombytes(self._file.read(size_bytes))
        return vector

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
