"""Rows of the sheets of XLSX files, one at a time: no sheet is ever whole in memory.

What reads workbooks takes half a second to load: whoever has none should not wait for it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from ivrd.billing.imports.file_rows import FilesError, Row, readable, refused

MOST_UNPACKED = 2 * 1024**3
"""Bytes of an XLSX file once it is unpacked."""

_MOST_RATIO = 400
"""A part of an XLSX file that unpacks to more times its size than this was made to do harm."""

_XLSX_ERRORS = (
    zipfile.BadZipFile, InvalidFileException, ParseError, KeyError, ValueError, TypeError,
    AttributeError, IndexError, EOFError, OSError, NotImplementedError,
)  # fmt: skip
"""What zipfile and openpyxl raise for files that are damaged or no workbook."""


class XlsxFile:
    """A workbook whose sheets are read one after the other. Raises `FilesError`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with readable(path):
            self._file = path.open("rb")
        try:
            _check_archive(path)
            # results of formulas, not their text; without read_only a sheet would be all in memory
            self._book = load_workbook(self._file, read_only=True, data_only=True, keep_links=False)
        except BaseException as error:
            self._file.close()
            if isinstance(error, _XLSX_ERRORS):
                raise _not_xlsx(path, error) from None
            raise
        self.sheets: list[str] = list(self._book.sheetnames)

    def rows(self, sheet: str) -> Iterator[Row]:
        """Yield the rows of one sheet."""
        try:
            of: Any = self._book[sheet]
            # the size that a file states may be wrong, and rows are then cut or made up
            of.reset_dimensions()
            yield from enumerate(of.iter_rows(values_only=True), start=1)
        except _XLSX_ERRORS as error:
            raise _not_xlsx(self.path, error) from None

    def close(self) -> None:
        """Let go of the file; safe to repeat."""
        self._book.close()
        self._file.close()


def _not_xlsx(path: Path, error: Exception) -> FilesError:
    return refused(path, f"is no XLSX that can be read ({type(error).__name__})",
                   "a workbook as Excel or LibreOffice saves it")  # fmt: skip


def _check_archive(path: Path) -> None:
    """Refuse what would fill the disk and the memory before it is unpacked."""
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
    if sum(part.file_size for part in parts) > MOST_UNPACKED or any(
        part.file_size > _MOST_RATIO * max(part.compress_size, 1024) for part in parts
    ):
        raise refused(path, "unpacks to far more than it needs",
                      f"at most {MOST_UNPACKED // 2**20} MB")  # fmt: skip
