import json

import aezoo


def test_a_run_cites_its_model_its_parts_its_data_and_aezoo(cli):
    options = ["--regularizer", "l1=0.01", "--epochs", "1", "--hidden", "4", "--latent-dim", "2"]
    assert cli("train", "--model", "denoising", "--out", "run", *options).status == 0
    text = cli("cite", "run").out
    assert "@software{aezoo" in text
    assert f"version = {{{aezoo.__version__}}}" in text
    of = {name: row["bibtex"] for row in json.loads(cli("cite", "run", "--json").out) for name in row["of"]}
    assert of.keys() >= {"model denoising", "corruption gaussian", "likelihood gaussian", "regularizer l1"}
    assert "Alpaydin" in of["dataset digits"]
    assert all(entry in text for entry in of.values())
    assert text.count("Stacked denoising autoencoders") == 1


def test_a_model_composed_by_hand_and_a_folder_that_is_no_run_are_refused(cli, trained, tmp_path):
    model = aezoo.load(trained / "vae")
    aezoo.train(model, "digits", out=tmp_path / "hand", epochs=1)
    for run, words in (("hand", "composed by hand"), ("nowhere", "nowhere")):
        result = cli("cite", run)
        assert result.status in (1, 2)
        assert words in result.err
        assert len(result.err.strip().splitlines()) == 1
