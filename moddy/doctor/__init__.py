"""``moddy doctor``: what is checked, what was found, and how to mend it."""

from moddy.doctor.command import run_doctor

__all__ = ["run_doctor"]
