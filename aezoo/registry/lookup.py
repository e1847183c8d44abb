"""Look-ups by name: mappings that explain themselves when a name is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from aezoo.errors import PluginError, UnknownNameError, near_misses
from aezoo.registry.catalog import community
from aezoo.registry.entries import Entry, Kind
from aezoo.registry.plugins import HOOKS, Plugin, Plugins

E = TypeVar("E", bound=Entry)

# where a name of another kind belongs, for who puts it in the wrong place
USE: dict[Kind, str] = {
    "model": "--model {}",
    "dataset": "--data {}",
    "regularizer": "--regularizer {}=WEIGHT",
    "prior": "--prior {}",
    "corruption": "--corruption {}",
    "likelihood": "--likelihood {}",
    "network": "--network {}",
    "activation": "--activation {} or --code-activation {}",
    "inspection": "aezoo inspect RUN --{}",
}

# what the field calls them in short, for who types that
SHORT = {
    "ae": "undercomplete",
    "autoencoder": "undercomplete",
    "cae": "contractive",
    "dae": "denoising",
    "sae": "sparse",
    "pca": "linear",
    "bvae": "beta-vae",
    "vqvae": "vq-vae",
}


class Lookup(Mapping[str, E], Generic[E]):
    """The registered entries of one kind, by name.

    Examples:
        >>> [entry.name for entry in aezoo.registry.models.find(family="contractive")]
        ['contractive']
        >>> "vae" in aezoo.registry.models
        True
    """

    def __init__(self, kind: Kind, plugins: Plugins) -> None:
        self.kind = kind
        self._plugins = plugins

    def _by_name(self) -> dict[str, list[E]]:
        found: dict[str, list[E]] = {}
        for entry in self._plugins.entries(self.kind):
            found.setdefault(entry.name, []).append(entry)  # type: ignore[arg-type]
        return found

    def __getitem__(self, name: str) -> E:
        """The entry.

        Raises:
            UnknownNameError: no such name; the message has near-misses, or what to install.
            PluginError: two plugins claim the name, or the one that does cannot be used.
        """
        if not isinstance(name, str):
            raise UnknownNameError(f"a {self.kind} is found by its name, a text (got {name!r}); try {self._some()}.")
        entries = self._by_name().get(name)
        if not entries:
            for plugin in self._plugins:
                if plugin.error and name in plugin.claims.get(self.kind, ()):
                    raise PluginError(
                        f"{self.kind} {name!r} is of {plugin.title}, which cannot be used: {plugin.error}"
                    )
            raise UnknownNameError(self._explain(name))
        if len(entries) > 1:
            owners = " and ".join(f"{entry.distribution!r} (plugin {entry.plugin!r})" for entry in entries)
            raise PluginError(
                f"{self.kind} {name!r} is registered by {owners}: uninstall one, or set "
                f"AEZOO_DISABLE_PLUGINS={entries[-1].plugin} to leave one out."
            )
        return entries[0]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name()

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name())

    def __len__(self) -> int:
        return len(self._by_name())

    def find(self, **wanted: str) -> list[E]:
        """The entries whose fields equal those given, as in ``find(family="sparse")``; without any, all of them."""
        rows = [entry for entries in self._by_name().values() for entry in entries]
        for key, value in wanted.items():
            if rows and not hasattr(rows[0], key):
                raise UnknownNameError(
                    f"entries have no field {key!r}: search by name, family, plugin or distribution."
                )
            families = sorted({entry.family for entry in rows if entry.family}) if key == "family" else []
            rows = [entry for entry in rows if getattr(entry, key) == value]
            if families and not rows:
                others = f"; the families are {', '.join(families)}."
                raise UnknownNameError(
                    f"no family {value!r} of {self.kind}s{near_misses(str(value), families, others)}"
                )
        return rows

    def _some(self) -> str:
        return ", ".join(list(self)[:3]) or "aezoo plugins"

    def _explain(self, name: str) -> str:
        message = f"no {self.kind} {name!r}"
        long = SHORT.get(name.lower().replace("_", "-"), "")
        if self.kind == "model" and long in self:
            return f"{message}; did you mean {long!r}?"
        for row in community():
            if name in row.get(f"{self.kind}s", ()):
                return f"{message}: {name!r} comes with {row['name']}: pip install {row['name']}"
        # a part in the wrong place is likelier meant than a model of the same name
        for kind in reversed(HOOKS):
            if kind != self.kind and any(entry.name == name for entry in self._plugins.entries(kind)):
                return f"{message}; {name!r} is registered as {kind}: use {USE[kind].replace('{}', name)}"
        message += near_misses(name, self, f"; registered are {', '.join(self) or 'none'}")
        left_out = [plugin for plugin in self._plugins if plugin.error or plugin.disabled]
        # whoever is called alike is likelier meant than all others
        left_out = [plugin for plugin in left_out if _alike(name, plugin)] or left_out
        if len(left_out) == 1 and left_out[0].error:
            message += f" ({left_out[0].title} could not be used and may provide it: {left_out[0].error})"
        elif left_out:
            names = ", ".join(plugin.title for plugin in left_out)
            message += f" (left out, and one may provide it: {names}; see aezoo plugins)"
        return message


def _alike(name: str, plugin: Plugin) -> bool:
    """Whether a plugin, or its distribution, bears the name of one thing."""
    wanted = name.replace("_", "-").lower()
    return wanted in (plugin.name.replace("_", "-").lower(), plugin.distribution.lower().removeprefix("aezoo-"))
