"""Things of the propagation proofs that whichever request comes first makes: nobody's lines are compared here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

_made: dict[str, Any] = {}
_lock = threading.Lock()


def use(name: str, make: Callable[[], Any]) -> Any:
    with _lock:
        if name not in _made:
            _made[name] = make()
        return _made[name]
