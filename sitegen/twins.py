"""Frames of twins and the files' shares of them → the twins, staged where the site has others."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sitegen.fingerprint import Known
from sitegen.frame import Paths
from sitegen.model import Artifact
from sitegen.parts import FileText, Members, join_document
from sitegen.press import Press
from sitegen.store import Store

AT_ONCE = 64  # twins: their bytes are in memory together, and each batch reads the shares anew


@dataclass(frozen=True, slots=True)
class Used:
    """What a twin takes from the files: the members of `owner`, a path or a slug, in these shares."""

    owner: str
    texts: tuple[Known[FileText], ...]


def stage_twins(
    frames: Sequence[Artifact],
    used: Mapping[str, Used],
    texts: Sequence[Known[FileText]],
    press: Press,
    store: Store,
) -> Paths:
    """Stage every twin that the site has not as it must be; return the digest of each.

    `used` has each frame's path; `texts` are the shares of all files, in their order.
    """
    digests: dict[str, str] = {}
    todo = []
    for frame in frames:
        found = store.note(join_document, (frame, used[frame.path]))
        if found is not None and press.present.get(frame.path) == found:
            digests[frame.path] = found
        else:
            todo.append(frame)
    for start in range(0, len(todo), AT_ONCE):
        batch = [(frame, used[frame.path]) for frame in todo[start : start + AT_ONCE]]
        shares = _shares([use for _, use in batch], texts)
        for frame, use in batch:
            content = join_document(frame.data, shares.pop(use.owner))
            found = digests[frame.path] = hashlib.sha256(content).hexdigest()
            store.note(join_document, (frame, use), found)
            press.stage(frame.path, content, found)
    return tuple(digests.items())


def _shares(uses: Sequence[Used], texts: Sequence[Known[FileText]]) -> dict[str, list[Members]]:
    """Return the members of each owner, in the order of the files; a share is read once and not kept."""
    shares: dict[str, list[Members]] = {use.owner: [] for use in uses}
    needed = {text for use in uses for text in use.texts}
    for text in texts:
        if text in needed:
            share = text.peek()
            for owner, members in (*share.whole, *share.profiles):
                if owner in shares:
                    shares[owner].append(members)
    return shares
