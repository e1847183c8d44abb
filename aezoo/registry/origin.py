"""Whose a part is: so that an error in a stranger's code names the part, the plugin and the distribution."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

from aezoo.errors import STOPS, DivergenceError, PluginError, ZooError, is_out_of_memory, reason_of
from aezoo.registry.distributions import OURS
from aezoo.registry.entries import Entry, Kind
from aezoo.registry.plugins import Plugin

T = TypeVar("T")
_MARK = "_aezoo_origin"


def mark(thing: T, kind: Kind, entry: Entry) -> T:
    """Writes down in a part, or in each of several, the entry of a plugin of somebody else that made it.

    Examples:
        >>> entry = aezoo.Part("blur", "blur:Blur", plugin="blur", distribution="aezoo-blur")
        >>> aezoo.registry.origin(aezoo.registry.mark(torch.nn.Identity(), "corruption", entry))
        "corruption 'blur' of plugin 'blur' (aezoo-blur)"
    """
    if entry.distribution not in (OURS, ""):
        for part in thing if isinstance(thing, tuple | list) else (thing,):
            # past torch's own setter; the text follows every copy
            getattr(part, "__dict__", {})[_MARK] = f"{kind} {entry.name!r} of {entry.source}"
    return thing


def origin(thing: Any) -> str:
    """Whose a part is, such as ``corruption 'blur' of plugin 'blur' (aezoo-blur)``; nothing where it is aezoo's own.

    A part that its model made by itself is known by the module of its class.

    Examples:
        >>> aezoo.registry.origin(run.model.decoder)
        ''
    """
    marked = getattr(thing, "__dict__", {}).get(_MARK, "")
    return marked or _by_module(type(thing).__module__, type(thing).__name__)


def of(thing: Any) -> str:
    """The same as the end of a phrase that has named the part: ``" of plugin 'blur' (aezoo-blur)"``, or nothing.

    Examples:
        >>> aezoo.registry.of(run.model.decoder)
        ''
    """
    _, found, source = origin(thing).rpartition(" of plugin ")
    return found + source


def strangers(parts: Iterable[Any]) -> list[str]:
    """Whose the ``parts`` are, the first of each plugin, those of aezoo left out.

    Examples:
        >>> aezoo.registry.strangers(run.model.modules())
        []
    """
    found: dict[str, str] = {}
    for name in filter(None, map(origin, parts)):
        found.setdefault(name.rpartition(" of plugin ")[2], name)
    return list(found.values())


def culprit(error: BaseException) -> str:
    """Whose code, or which part, was at work where ``error`` was raised: the innermost that is not aezoo's own.

    Examples:
        >>> aezoo.registry.culprit(ValueError("of nobody's code"))
        ''
    """
    found = [_at_work(frame) for frame in _frames(error.__traceback__)]
    return next((name for name in reversed(found) if name), "")


@contextmanager
def naming(parts: Iterable[Any], doing: str) -> Iterator[None]:
    """Turns an error of a stranger's code in the block into one line that says whose it is.

    The error itself is kept as the cause. aezoo's own errors, those of memory, and whatever no plugin can be blamed
    for pass as they are; ``parts``, those that take part, are named where no code of theirs was at work, as in a
    backward pass, and where the loss stopped being finite.

    Args:
        parts: such as ``model.modules()``; looked at only when something fails.
        doing: when it happened, such as ``"in training"``.

    Raises:
        PluginError: names the part, its plugin and its distribution.

    Examples:
        >>> with aezoo.registry.naming(run.model.modules(), "in training"):
        ...     pass
    """
    try:
        yield
    except DivergenceError as error:
        found = strangers(parts)
        if found:
            error.args = (f"{str(error).rstrip('.')} (not of aezoo itself: {', '.join(found)}).",)
        raise
    except (ZooError, *STOPS, GeneratorExit):
        raise
    except BaseException as error:
        # click ends a command by errors of its own
        if is_out_of_memory(error) or type(error).__module__.startswith("click."):
            raise
        who = culprit(error)
        if not who and not _is_known(error):
            raise
        if not who:
            who = " or ".join(strangers(parts))
            if not who:
                raise
            who = who if who.startswith("model ") else f"a model with {who}"
        raise PluginError(f"{who} failed {doing}: {reason_of(error)}") from error


def signed(error: ZooError, entry: Entry) -> ZooError:
    """The same error; out of a stranger's entry, its line says so, unless it names a plugin already.

    Examples:
        >>> entry = aezoo.Part("blur", "blur:Blur", plugin="blur", distribution="aezoo-blur")
        >>> print(aezoo.registry.signed(aezoo.errors.DataError("no rows."), entry))
        no rows ('blur' of plugin 'blur' (aezoo-blur)).
    """
    if entry.distribution not in (OURS, "") and " of plugin " not in str(error):
        error.args = (f"{str(error).rstrip('.')} ({entry.name!r} of {entry.source}).",)
    return error


def _is_known(error: BaseException) -> bool:
    """Whether an error comes out of aezoo's code or torch's, so that only what they were given can be to blame."""
    modules = [str(frame.f_globals.get("__name__")) for frame in _frames(error.__traceback__)]
    # beneath this one and the one with the block
    known = all(module.startswith(("aezoo", "torch", "numpy", "contextlib")) for module in modules[2:])
    return known and isinstance(error, Exception) and not isinstance(error, OSError)


def _frames(traceback: TracebackType | None) -> Iterator[Any]:
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _at_work(frame: Any) -> str:
    marked = getattr(frame.f_locals.get("self"), "__dict__", {}).get(_MARK, "")
    return marked or _by_module(str(frame.f_globals.get("__name__", "")), frame.f_code.co_qualname)


def _by_module(module: str, name: str) -> str:
    """``name`` and the plugin that ``module`` belongs to: whose manifest has most of its path."""
    from aezoo import registry  # here, since the registry hands this module on

    best = 0
    owners: list[Plugin] = []
    path = module.split(".")
    for plugin in registry.plugins.found():
        if plugin.distribution == OURS:
            continue
        manifest = getattr(plugin.module, "__name__", None)
        if not isinstance(manifest, str):
            manifest = type(plugin.module).__module__
        shared = _shared(path, manifest.split(".")) or (path[0] in plugin.packages)
        if shared > best:
            best, owners = shared, []
        if shared == best and best:
            owners.append(plugin)
    if len({plugin.distribution for plugin in owners}) != 1:
        return ""
    return f"{name} of plugin {owners[0].name!r} ({owners[0].distribution})"


def _shared(path: list[str], other: list[str]) -> int:
    """How many names two dotted paths begin with alike."""
    count = 0
    for a, b in zip(path, other, strict=False):
        if a != b:
            break
        count += 1
    return count
