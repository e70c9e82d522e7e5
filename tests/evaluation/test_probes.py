"""Probes: latents with the class, without it, and with it in a way that no linear classifier reads."""

import numpy as np
import pytest

from bundle.evaluation.probes import PROBES, probe_latent


def participants(count: int) -> list[str]:
    return [f"sub-{i}" for i in range(count)]


@pytest.mark.parametrize("kind", PROBES)
@pytest.mark.parametrize("size", [4, 200])  # without and with principal components
def test_a_latent_that_carries_the_class_gives_it_away(size, kind):
    labels = np.arange(60) % 2
    latent = np.random.default_rng(0).normal(size=(60, size))
    latent[:, :4] += 8 * labels[:, None]
    assert (probe_latent(latent, labels, participants(60), kind=kind).argmax(1) == labels).mean() > 0.95


def test_a_class_that_lies_around_the_other_is_read_by_a_kernel_and_a_network_alone():
    latent = np.random.default_rng(0).normal(size=(400, 2))
    labels = (np.hypot(*latent.T) > 1.2).astype(int)
    right = {kind: (probe_latent(latent, labels, participants(400), kind=kind).argmax(1) == labels).mean() for kind in PROBES}
    assert right["linear"] < 0.65 and right["kernel"] > 0.9 and right["network"] > 0.9


def test_numbers_that_hardly_vary_do_not_drown_those_that_do():
    labels = np.arange(60) % 2
    latent = 1e-6 * np.random.default_rng(0).normal(size=(60, 2000))  # rounding, as in the background
    latent[:, :2] = np.random.default_rng(1).normal(size=(60, 2)) + 4 * labels[:, None]
    assert (probe_latent(latent, labels, participants(60)).argmax(1) == labels).mean() > 0.95


def test_a_latent_without_the_class_gives_chance():
    labels = np.arange(400) % 2
    latent = np.random.default_rng(1).normal(size=(400, 20))
    assert (probe_latent(latent, labels, participants(400)).argmax(1) == labels).mean() == pytest.approx(0.5, abs=0.1)


def test_scans_of_one_participant_never_help_each_other():
    labels = np.repeat(np.arange(20) % 2, 2)
    latent = np.repeat(np.random.default_rng(2).normal(size=(20, 200)), 2, axis=0)  # the same scan twice
    people = np.repeat(participants(20), 2)
    assert (probe_latent(latent, labels, people).argmax(1) == labels).mean() < 0.75


def test_probe_is_the_same_for_the_same_seed():
    labels, latent = np.arange(30) % 3, np.random.default_rng(3).normal(size=(30, 50))
    first, second = (probe_latent(latent, labels, participants(30)) for _ in range(2))
    assert first.shape == (30, 3) and np.array_equal(first, second)


def test_probe_of_a_class_with_one_scan_raises():
    with pytest.raises(ValueError, match="two participants of each class at least, got labels"):
        probe_latent(np.zeros((3, 4)), np.array([0, 0, 1]), participants(3))
