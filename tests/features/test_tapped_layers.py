from tfxfer import features, model


def test_taps_are_the_last_maps_of_each_stage_and_the_embedding(lite0):
    names = features.taps(lite0)
    assert names[-1] == "embedding"
    by_stage = model.stages(lite0)
    assert len(names) == len(by_stage) + 1
    for name, members in zip(names, by_stage.values()):
        assert lite0.get_layer(name) in members
        later = members[members.index(lite0.get_layer(name)) + 1 :]
        assert all(len(layer.output.shape) != 4 for layer in later)


def test_taps_without_maps(pictures):
    """A dense stage has none, and pixels have no layers at all."""
    net = model.build("cnn", pictures, weights="none")
    assert [len(net.get_layer(name).output.shape) for name in features.taps(net)] == [4, 4, 4, 2]
    assert features.taps(model.build("pixels", pictures)) == ["embedding"]


def test_their_features_can_be_extracted(pictures):
    net = model.build("cnn", pictures, weights="none")
    bank = features.extract(net, pictures.test, features.taps(net), limit=5)
    assert list(bank.values) == features.taps(net)
    assert all(len(value) == 5 for value in bank.values.values())
