import torch
from monai.networks.nets import ResNet
from monai.networks.nets.resnet import ResNetBlock

from bundle.baselines import AttributeClassifier


def test_the_attribute_classifier_gives_the_logits_of_icam(make_network, image):
    network = make_network(num_classes=3).eval()
    logits = AttributeClassifier(network)(image)
    torch.testing.assert_close(logits, network.classify(network.encode(image).mean))
    assert logits.shape == (4, 3)


def test_a_separable_block_has_weights_and_output_of_monais(resnet, spatial_dims, image):
    plain = ResNet(ResNetBlock, [1, 1, 1, 1], [4, 6, 8, 8], spatial_dims, 1, conv1_t_stride=2, no_max_pool=True, num_classes=3)
    plain.load_state_dict(resnet.state_dict(), strict=True)
    torch.testing.assert_close(resnet.eval()(image), plain.eval()(image))
