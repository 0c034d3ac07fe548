"""Processes and signals: how a program is started, stopped and heard. Light: only the standard library when a program starts."""
