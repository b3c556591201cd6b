"""Where everything is built; `moddy.app` runs and stops it."""

from moddy.wiring.build import Services, build
from moddy.wiring.ground import Ground

__all__ = ["Ground", "Services", "build"]
