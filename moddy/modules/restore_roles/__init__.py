"""Restore roles: members who come back have the roles again with which they left."""

from moddy.modules.restore_roles.module import RestoreRoles
from moddy.modules.restore_roles.settings import Mode, RestoreRolesSettings

__all__ = ["Mode", "RestoreRoles", "RestoreRolesSettings"]
