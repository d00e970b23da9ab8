"""Files called test_training.py need PyTorch: they are run by test_recipes_train.py, in the environment that has it."""

collect_ignore_glob = ["*/test_training.py"]
