"""Names of earlier versions: keys, values and run ids, and what has taken their place."""

RENAMED = {  # keys of version 0.1, accepted until 0.3, and their names
    "embedded_cohort": "simulated_cohort",
    "draws": "attribute_source",
    "uncertainty#draws": "uncertainty#attribute_sources",
    "checkpointing": "activation_checkpointing",
    "train#trainer#checkpointing": "train#trainer#activation_checkpointing",
    "judge_checkpoint": "classifier_checkpoint",
    "judge_def": "classifier_def",
    "removal_shares": "deletion_shares",
    "removal_scans": "deletion_scans",
    "test#screening": "test#readable_scans",
    "disease_maps#num_workers": "workers#num_workers",
    "disease_maps#transform": "disease_maps#registration#transform",
    "disease_maps#levels": "disease_maps#registration#levels",
    "disease_maps#sampling": "disease_maps#registration#sampling",
    "rival": "reference_method",
    "train#handlers#0": "train#averaging",
    "train#handlers#1": "train#validation",
    "train#handlers#2": "train#best_model",
    "train#handlers#3": "train#history",
    "train#handlers#4": "train#tensorboard",
    "train#handlers#5": "train#run_state",
    "train#handlers#6": "train#progress",
}
RENAMED_VALUES = {"attribute_source": {"bank": "training"}, "uncertainty#attribute_sources": {"bank": "training"}}
RENAMED_RUNS = {"examination": "faithfulness"}
GONE = {  # old keys of another form
    "augmentation#transforms": "the keys of augmentation, as in train.yaml, and scan_transforms, a list of MONAI's transforms",
    "stages": "phases, a list that ends with the phase of the whole objective, as in train.yaml",
    "batch_size": "chunk_size, the draws decoded at once, as scans are explained one by one",
}
