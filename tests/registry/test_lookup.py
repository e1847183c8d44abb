"""Look-ups explain themselves; entries describe themselves."""

import re

import pytest
from pydantic import Field

import aezoo
from aezoo import registry
from aezoo.core.config import Config
from aezoo.core.options import ModelConfig
from aezoo.errors import DataError, PluginError, UnknownNameError, UsageError
from aezoo.registry import DatasetEntry, Lookup, Model, Part, catalog, lookup
from aezoo.registry.plugins import Plugin, Plugins

FAMILIES = {"undercomplete", "sparse", "denoising", "contractive", "variational"}
LOOKUPS = {"model": registry.models, "dataset": registry.datasets, **registry.parts}


class Options(Config):
    strength: float = Field(0.5, gt=0, description="how strong")


def plugins(*found):
    """A loader that has found these plugins, and looks for no others."""
    made = Plugins()
    made._found = list(found)
    return made


# ---------------------------------------------------------------- what is registered


@pytest.mark.parametrize("kind", LOOKUPS)
def test_a_lookup_is_a_mapping_of_names_to_entries(kind):
    found = LOOKUPS[kind]
    assert len(found) == len(list(found)) > 0
    for name in found:
        entry = found[name]
        assert entry.name == name
        assert name in found
        assert found.get(name) is not None
    assert dict(found) == {name: found[name] for name in found}
    assert "no-such-thing" not in found
    assert found.get("no-such-thing") is None
    assert 7 not in found


def test_all_five_families_are_there_with_summaries_and_references():
    ours = [model for model in registry.models.values() if model.distribution == "aezoo"]
    assert {model.family for model in ours} == FAMILIES
    for entry in [*ours, *(e for each in registry.parts.values() for e in each.values() if e.distribution == "aezoo")]:
        assert entry.summary.endswith("."), entry.name
        assert "\n" not in entry.summary
    assert all(model.references for model in ours)


@pytest.mark.parametrize("kind", registry.parts)
def test_every_part_resolves_and_its_options_are_described(kind):
    for entry in registry.parts[kind].values():
        assert callable(entry.resolve())
        properties = entry.schema.get("properties", {})
        assert list(properties) == entry.options.keys()
        assert all(field.get("description") for field in properties.values()), entry.name


@pytest.mark.parametrize("name", registry.models)
def test_every_models_options_are_described_and_its_capabilities_are_those_of_a_built_one(name):
    entry = registry.models[name]
    assert all(field.get("description") for field in entry.schema["properties"].values())
    built = entry.resolve()(entry.config(), aezoo.DataSpec(shape=(9,), low=0.0, high=1.0, scaling="scale"))
    assert entry.capabilities == built.capabilities


def test_find_filters_by_the_fields_of_entries():
    sparse = {entry.name for entry in registry.models.find(family="sparse")}
    assert {"sparse", "sparse-l1", "sparse-kl", "topk"} <= sparse
    assert registry.models.find(family="sparse", name="topk") == [registry.models["topk"]]
    assert registry.models.find() == list(registry.models.values())
    with pytest.raises(UnknownNameError, match="no field 'colour': search by name, family, plugin or distribution"):
        registry.models.find(colour="red")


# ---------------------------------------------------------------- what is not


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("model", "contractve", "no model 'contractve'; did you mean 'contractive'"),
        ("model", "topl", "did you mean 'topk'"),
        ("dataset", "digit", "no dataset 'digit'; did you mean 'digits'"),
        ("prior", "zzz", "no prior 'zzz'; registered are normal, laplace, mixture"),
        ("model", "l1", "no model 'l1'; 'l1' is registered as regularizer: use --regularizer l1=WEIGHT"),
        ("regularizer", "topk", "'topk' is registered as activation: use --activation topk or --code-activation topk"),
        ("model", "masking", "is registered as corruption: use --corruption masking"),
        ("corruption", "digits", "is registered as dataset: use --data digits"),
        ("model", "mixture", "is registered as prior: use --prior mixture"),
        ("model", "bernoulli", "is registered as likelihood: use --likelihood bernoulli"),
        ("model", "conv", "is registered as network: use --network conv"),
        ("model", "gelu", "is registered as activation: use --activation gelu or --code-activation gelu"),
    ],
)
def test_an_unknown_name_is_explained_in_one_line(kind, name, message):
    with pytest.raises(UnknownNameError, match=message) as caught:
        LOOKUPS[kind][name]
    assert isinstance(caught.value, UsageError | KeyError)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2


def test_a_known_community_plugin_is_what_to_install(monkeypatch):
    rows = [{"name": "aezoo-vamp", "models": ["vamp"], "priors": ["vampire"]}]
    monkeypatch.setattr(lookup, "community", lambda: rows)
    with pytest.raises(UnknownNameError, match="no model 'vamp': 'vamp' comes with aezoo-vamp: pip install aezoo-vamp"):
        registry.models["vamp"]
    with pytest.raises(UnknownNameError, match="pip install aezoo-vamp"):
        registry.priors["vampire"]


def test_a_broken_catalogue_does_not_hide_the_error_that_is_explained(monkeypatch, tmp_path):
    broken = tmp_path / "registry.json"
    broken.write_text("{")
    monkeypatch.setattr(catalog, "location", lambda: broken)
    catalog.community.cache_clear()
    try:
        with pytest.raises(UnknownNameError, match="did you mean 'contractive'"):
            registry.models["contractiv"]
    finally:
        catalog.community.cache_clear()


def test_two_of_one_name_are_an_error_for_that_name_alone_and_both_are_named():
    def entry(name, plugin, distribution):
        return Part(name, Options, Options, plugin=plugin, distribution=distribution)

    ours = Plugin(
        "sparse", "aezoo", entries={"regularizer": [entry("l1", "sparse", "aezoo"), entry("x", "sparse", "a")]}
    )
    theirs = Plugin("greedy", "aezoo-greedy", entries={"regularizer": [entry("l1", "greedy", "aezoo-greedy")]})
    found = Lookup("regularizer", plugins(ours, theirs))
    with pytest.raises(PluginError, match=r"'l1' is registered by 'aezoo' \(plugin 'sparse'\) and") as caught:
        found["l1"]
    assert "'aezoo-greedy' (plugin 'greedy')" in str(caught.value)
    assert "AEZOO_DISABLE_PLUGINS=greedy" in str(caught.value)
    assert found["x"].name == "x"
    assert list(found) == ["l1", "x"]
    assert "l1" in found
    assert len(found.find(name="l1")) == 2


def test_a_name_that_a_broken_plugin_may_provide_says_so():
    broken = Plugin("vamp", "aezoo-vamp", "1.0", error="failed to import: ImportError: no module named 'jax'")
    with pytest.raises(UnknownNameError, match=r"'vamp' \(aezoo-vamp 1.0\) could not be used .* no module named"):
        Lookup("model", plugins(broken))["vamp"]


# ---------------------------------------------------------------- entries


def build(spec, code_shape, strength: float = 0.5, kind: str = "soft"):
    """A part whose options are read off its signature."""
    return spec, code_shape, strength, kind


def test_options_are_read_off_the_signature_without_the_context():
    options = Part("mine", build, summary="A part of mine.").options
    assert options.keys() == ["strength", "kind"]
    assert (options().strength, options().kind) == (0.5, "soft")
    assert options.model_json_schema()["description"] == "A part of mine."
    assert options.parse({"strength": 1}).strength == 1.0
    for values in ({"strength": "1"}, {"strength": float("nan")}, {"spec": 3}, {"colour": "red"}):
        with pytest.raises(UsageError):
            options.parse(values)


def test_an_option_without_a_default_is_required():
    def needs(k: int):
        return k

    with pytest.raises(UsageError, match=r"^mine: k: field required$"):
        Part("mine", needs).options.parse({}, owner="mine")


@pytest.mark.parametrize("function", [lambda *args: None, lambda **kwargs: None])
def test_a_signature_that_names_no_options_is_refused(function):
    with pytest.raises(PluginError, match=r"'mine' of plugin 'p' .d. takes \*args or \*\*kwargs: name its options"):
        Part("mine", function, plugin="p", distribution="d").options  # noqa: B018


def test_a_config_class_takes_the_place_of_the_signature():
    assert Part("mine", build, Options).options is Options
    assert Model("mine", ModelConfig, build).options is ModelConfig


@pytest.mark.parametrize("target", ["no_such_module:thing", "aezoo.errors:Nothing", "aezoo.errors"])
@pytest.mark.parametrize("kind", [Part, DatasetEntry])
def test_an_import_string_that_leads_nowhere_names_the_plugin(kind, target):
    entry = kind("mine", target, Options, plugin="p", distribution="d")
    with pytest.raises(PluginError, match=rf"'mine' of plugin 'p' \(d\) names '{target}', which cannot be imported"):
        entry.resolve()


def test_targets_are_given_as_objects_or_as_text():
    from aezoo_sparse.penalties import L1

    assert Part("mine", "aezoo_sparse.penalties:L1").resolve() is L1
    assert Part("mine", L1).resolve() is L1


def test_entries_are_tidied_and_frozen():
    entry = Part("mine", build, summary="  Two\n   lines. ", references=["a", "b"])
    assert entry.summary == "Two lines."
    assert entry.references == ("a", "b")
    with pytest.raises(AttributeError):
        entry.name = "yours"


def test_context_and_options_reach_the_part():
    from aezoo.parts import StandardNormal, build_part

    def made(spec, code_shape, strength: float = 0.5, kind: str = "soft"):
        prior = StandardNormal(code_shape)
        prior.given = (spec, code_shape, strength, kind)
        return prior

    plugin = registry.register(type("Mine", (), {"aezoo_priors": staticmethod(lambda: [Part("mine", made)])}))
    try:
        found = build_part("prior", "mine=2,kind=hard", spec="s", code_shape=(3,), unused=1)
        assert found.given == ("s", (3,), 2.0, "hard")
        with pytest.raises(UsageError, match="prior 'mine' needs 'code_shape', which is not known here"):
            build_part("prior", "mine", spec="s")
    finally:
        registry.plugins._found.remove(plugin)
        registry.plugins.manager.unregister(plugin.module)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("VAE", "vae"),
        ("Contractive", "contractive"),
        ("TOPK", "topk"),
        ("dae", "denoising"),
        ("CAE", "contractive"),
        ("sae", "sparse"),
        ("ae", "undercomplete"),
        ("vqvae", "vq-vae"),
    ],
)
def test_other_letters_of_case_and_common_abbreviations_lead_to_the_name(name, meant):
    with pytest.raises(UnknownNameError, match=f"did you mean '{meant}'\\?$"):
        registry.models[name]


def test_what_is_no_text_is_our_own_error():
    with pytest.raises(UnknownNameError, match=r"found by its name, a text \(got 3\)"):
        registry.models[3]
    assert registry.models.get(3) is None


def test_an_unknown_family_says_which_there_are():
    with pytest.raises(UnknownNameError, match="no family 'nosuch' of models; the families are contractive, denoising"):
        registry.models.find(family="nosuch")
    with pytest.raises(UnknownNameError, match="did you mean 'sparse'"):
        registry.models.find(family="Sparse")


def test_definitions_stand_once_in_the_catalogue_and_every_reference_leads_to_one():
    catalogue = catalog.read()
    text = catalog.render(catalogue)
    assert text.count('"$defs": {') == 1
    wanted = set(re.findall(r'"#/\$defs/(\w+)"', text))
    assert wanted == set(catalogue["$defs"]) >= {"Choice", "Linear"}
    assert text.count("\n") < 5500


def test_two_definitions_of_one_name_are_refused():
    defs = {"A": {"type": "string"}}
    with pytest.raises(DataError, match="two schemas define 'A'"):
        catalog._share(defs, {"name": "x", "options": {"$defs": {"A": {"type": "integer"}}}})


def test_figures_that_say_nothing_are_left_out():
    row = {"options": {"properties": {"latent_dim": {"default": 16}}}}
    assert catalog._telling({"examples": 9.0, "l0": 16.0, "dead_units": 0.0, "psnr": 3.0}, row) == {"psnr": 3.0}
    assert catalog._telling({"l0": 4.0, "dead_units": 0.0}, row) == {"l0": 4.0, "dead_units": 0.0}
