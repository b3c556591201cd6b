"""Commands and listeners: parse, call a service, render."""
