"""Sentences for people: what went wrong, where, and how to mend it."""

from __future__ import annotations


class CovatlasError(Exception):
    """End a command with one clear sentence and exit code 2 (usage or input error)."""

    exit_code = 2


class Finding(CovatlasError):
    """End a command that worked and found something wrong: exit code 1."""

    exit_code = 1


def counted(number: int, noun: str) -> str:
    """Return "1 request", "2 requests"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
