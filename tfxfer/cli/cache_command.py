"""The command `tfxfer cache`: lists the activations and pixels kept on disk, or removes them."""

from tfxfer.core.cache import Store, amount
from tfxfer.core.errors import InputError


def manage(store: Store, clear: bool, remove: str | None) -> str:
    """Removes all entries, or the one whose key starts with `remove`, or lists them.

    Returns:
        The text to print.

    Raises:
        InputError: the keys of no entry or of several entries start with `remove`, an entry cannot be removed, or both
            options were given.
    """
    if clear and remove is not None:
        raise InputError("--clear and --remove were both given: leave one of them out")
    if not clear and remove is None:
        return listing(store)
    known = store.entries()
    chosen = known if clear else [one for one in known if remove and one.key.startswith(remove.lower())]
    if remove is not None and len(chosen) != 1:
        raise InputError(
            f"--remove {remove!r}: {len(chosen)} entries have keys that start with it, expected one: `tfxfer cache` "
            "lists them"
        )
    freed = store.clear() if clear else store.remove(one.key for one in chosen)
    if any(one.path.exists() for one in chosen):
        raise InputError(f"{store.root}: not all entries could be removed: check the permissions of the folder")
    return f"removed {_count(len(chosen))}, {amount(freed)}, from {store.root}"


def listing(store: Store) -> str:
    """The folder with its total size and its limit, then one line per entry, the most recently used first."""
    known = store.entries()
    total = f"{amount(sum(one.bytes for one in known))} of {amount(store.limit)} (TFXFER_CACHE_GB)"
    rows = [("key", "MB", "last used", "model", "layer", "data")]
    for one in known:
        about = {name: str(value) for name, value in one.about.items()}
        data = " ".join(about[name] for name in ("data", "split") if name in about)
        what = (about.get("model", "-"), about.get("layer", "-"), data or "-")
        rows.append((one.key[:12], f"{one.bytes / 1e6:,.1f}", f"{one.last_used:%Y-%m-%d %H:%M}", *what))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([f"{store.root}: {_count(len(known))}, {total}", *(lines if known else [])])


def _count(n: int) -> str:
    return f"{n} {'entry' if n == 1 else 'entries'}"
