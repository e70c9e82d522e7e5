"""The bundle's unit test for MONAI's model zoo, in the zoo's style and without anything of this repository.

There it is `ci/unit_tests/test_brain_mri_feature_attribution.py`; `test_package.py` runs it here in the same surroundings.
"""

import sys
import tempfile
import unittest
from pathlib import Path

import nibabel
import numpy as np
from monai.bundle import ConfigWorkflow

BUNDLE_ROOT = "models/brain_mri_feature_attribution"
VOLUMES = ["volumes.yaml", "conversion.yaml"]
SPLITS = {"train": 4, "validation": 2, "test": 4}  # scans, half of each class
GRID = {"image_size": [32, 32], "pixdim": 4.0}
TRAINING = GRID | {
    "key_metric": "accuracy", "max_epochs": 1, "epoch_length": 2, "batch_size": 2, "warmup_epochs": 0, "warmup_iterations": 1,
}  # fmt: skip
EVALUATION = GRID | {"num_samples": 2, "num_resamples": 10}
INFERENCE = {"split": "test", "num_samples": 2, "overviews": False, "pages": False}
sys.path.insert(0, BUNDLE_ROOT)


class TestBrainMRIFeatureAttribution(unittest.TestCase):
    """Each config runs on random brains of 32 x 32 x 32 voxels of 4 mm."""

    def setUp(self) -> None:
        """Write the cohort."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dataset_dir, self.output_dir = Path(folder.name, "cohort"), Path(folder.name, "output")
        self.dataset_dir.mkdir()
        axis = np.linspace(-1, 1, 32) ** 2
        brain = np.clip(0.9 - axis[:, None, None] - axis[None, :, None] - axis, 0, None)
        affine = np.diag([4.0, 4.0, 4.0, 1.0])
        affine[:3, 3] = -62
        rows, random = ["participant_id\tlabel\tsplit\timage"], np.random.default_rng(0)
        for split, number in SPLITS.items():
            for index in range(number):
                name = f"{split}-{index}.nii.gz"
                scan = brain * random.uniform(0.8, 1.2, brain.shape)
                nibabel.save(nibabel.Nifti1Image(scan.astype(np.float32), affine), self.dataset_dir / name)
                rows.append(f"{split}-{index}\t{index % 2}\t{split}\t{name}")
        (self.dataset_dir / "participants.tsv").write_text("\n".join(rows) + "\n")

    def run_workflow(self, workflow_type: str, configs: list[str], check_properties: bool = True, **override: object) -> None:
        """Run configs as the zoo's `check_workflow` does."""
        workflow = ConfigWorkflow(
            workflow_type=workflow_type,
            config_file=[f"{BUNDLE_ROOT}/configs/{name}" for name in configs],
            logging_file=f"{BUNDLE_ROOT}/configs/logging.conf",
            meta_file=f"{BUNDLE_ROOT}/configs/metadata.json",
            bundle_root=BUNDLE_ROOT,
            dataset_dir=str(self.dataset_dir),
            output_dir=str(self.output_dir),
            **override,
        )
        workflow.initialize()
        if check_properties:
            assert workflow.check_properties() == []
        workflow.run()
        workflow.finalize()

    def test_train_eval_config(self) -> None:
        """A network is trained, saved and evaluated."""
        self.run_workflow("train", ["train.json"], **TRAINING)
        checkpoint = self.output_dir / "train" / "model.pt"
        configs = ["train.json", "evaluate.yaml"]
        self.run_workflow("eval", configs, check_properties=False, checkpoint=str(checkpoint), **EVALUATION)
        assert (self.output_dir / "eval" / "metrics.csv").is_file()

    def test_infer_config(self) -> None:
        """The shipped network of slices explains each scan."""
        self.run_workflow("infer", ["inference.json"], **INFERENCE)
        assert len(list(self.output_dir.glob("*_fa_mean.nii.gz"))) == SPLITS["test"]

    def test_infer_volumes_config(self) -> None:
        """The shipped network of volumes explains each scan."""
        self.run_workflow("infer", ["inference.json", *VOLUMES], **INFERENCE)
        assert len(list(self.output_dir.glob("*_fa_mean.nii.gz"))) == SPLITS["test"]


if __name__ == "__main__":
    unittest.main()
