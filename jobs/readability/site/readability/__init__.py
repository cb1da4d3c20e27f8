"""How hard a text is to read."""

from .index import Measure, measure

__all__ = ["Measure", "measure"]
