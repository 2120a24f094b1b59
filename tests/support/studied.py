"""The networks that most tests take; all others have tests/deep/test_every_network.py."""

STUDIED = ("vgg16", "vgg19", "resnet101", "densenet201", "alexnet", "mobilenet_v2", "squeezenet1_1")
