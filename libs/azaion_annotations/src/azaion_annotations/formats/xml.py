"""XML label files, read without entities or external references."""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from azaion_annotations.formats.files import FolderFiles
from azaion_common.core.errors import PermanentError


def roots(files: FolderFiles, tag: str) -> dict[str, Element]:
    """Root elements of the folder's XML files that are called ``tag``."""
    loaded = {name: load(files, name) for name in files.with_suffix(".xml")}
    return {name: root for name, root in loaded.items() if root is not None and root.tag == tag}


def load(files: FolderFiles, name: str) -> Element | None:
    """The root element; None when the file is not XML or asks for entities."""
    try:
        # As bytes: the declaration says which encoding they are in.
        root: Element = fromstring(files.read_bytes(name), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, PermanentError):
        return None
    return root


def number(element: Element, tag: str) -> float:
    """The number in a child element; raises ValueError."""
    text = element.findtext(tag)
    if text is None:
        raise ValueError(f"no {tag}")
    return float(text)
