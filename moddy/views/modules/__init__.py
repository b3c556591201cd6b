"""What people see of guild modules: the panels that set them up, and what the modules send."""
