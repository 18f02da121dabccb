"""The demo's report: one HTML file that needs nothing else, made from what the loop left behind."""

from azaion_demo.report.page import write_report

__all__ = ["write_report"]
