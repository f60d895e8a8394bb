"""What the options of recipes and commands mean: a row for each."""

HELP = {
    "dataset": "digits, mnist, fashion_mnist, cifar10, cifar10_corrupted, idx:PATH or folder:PATH.",
    "data_dir": "Folder that holds the data set's files.",
    "backbone": "A backbone by name; `tfxfer` lists them.",
    "backbones": "Feature sets to compare: backbones, comma-separated.",
    "classifiers": "Classifiers on each feature set, comma-separated.",
    "sweep": "Choose C and k of the classifiers by the validation images.",
    "tune": "Which of the backbones are fine-tuned, comma-separated.",
    "weights": "imagenet, none, or a weights file.",
    "image_size": "Pixels a side that the backbone sees.",
    "unfreeze": "How many of the backbone's last layers train, or from which stage on, or last, or all.",
    "tune_epochs": "Passes over the training images when fine-tuning.",
    "epochs": "Passes over the training images.",
    "batch_size": "Images a step.",
    "learning_rate": "Highest rate of the schedule.",
    "augment": "Random small shifts, rotations and zooms while training.",
    "seed": "Of splits, initial weights, order and projections.",
    "limit": "Use this many training images, and at most a quarter of it each to validate and test.",
    "out": "Folder for runs.",
    "corruption": "One of CIFAR-10-C's 19, such as gaussian_blur.",
    "severities": "Of the corruption, comma-separated, 1 to 5.",
    "grid_images": "Test images for the grid of all corruptions and severities; 0 leaves it out.",
    "surgery": "Corruptions for which each stage is tuned alone, comma-separated; empty leaves it out.",
    "surgery_images": "Images that a single stage learns from, and as many to validate by.",
    "cache": "Activations of frozen layers: auto, memory, disk (kept for later runs) or off.",
    "views": "With --augment, cache so many fixed random views of each image; 0 augments anew in each epoch.",
    "strategy": "none, mirrored (all devices of this machine), multiworker (TF_CONFIG) or tpu.",
    "precision": "float32, bfloat16, or auto, which times both.",
    "explain_size": "Pixels a side at which class activation maps are made; by default those the network sees.",
    "resume": "An unfinished run to continue with its own options: its name, its path, or last.",
    "protocol": "tfxfer, or as_published to repeat the report's choices exactly.",
}


LEAST = {
    "image_size": 1,
    "epochs": 1,
    "tune_epochs": 1,
    "batch_size": 1,
    "explain_size": 1,
    "limit": 1,
    "seed": 0,
    "views": 0,
}
LEAST |= {"grid_images": 0, "surgery_images": 1}
