"""What all pages share: head, style sheet, tables that sort, and parts such as rows of pictures."""

from bundle.templates.environment import SHARED, make_environment

__all__ = ["SHARED", "make_environment"]
