"""The HTML report of a run: one file that shows its results without a network."""

from skyred.report.writing import FILE_NAME, HtmlPage, create_report, write_report

__all__ = ["FILE_NAME", "HtmlPage", "create_report", "write_report"]
