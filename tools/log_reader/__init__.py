"""Reads any log: finds the exceptions, errors and exits in it, and which of them is the primary failure."""

from tools.log_reader.blocks import Block, Cause, Kind, Line, Reading
from tools.log_reader.good import templates_of_path, templates_of_stream, templates_of_text
from tools.log_reader.reading import primary, read_path, read_stream, read_text
from tools.log_reader.templates import Templates

__all__ = [
    "Block",
    "Cause",
    "Kind",
    "Line",
    "Reading",
    "Templates",
    "primary",
    "read_path",
    "read_stream",
    "read_text",
    "templates_of_path",
    "templates_of_stream",
    "templates_of_text",
]
