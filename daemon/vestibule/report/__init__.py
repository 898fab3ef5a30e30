"""`vestibule report`: what the ledger says of a period, in numbers that single nobody out."""

from vestibule.report.figures import Report, make_report
from vestibule.report.run import FORMATS, ReportOptions, report

__all__ = ["FORMATS", "Report", "ReportOptions", "make_report", "report"]
