"""Moddy: the Discord side of a subscription business."""

__version__ = "0.1.0"
