"""The part of a TRL configuration that names a dataset, and Python that loads files with the library datasets.

https://huggingface.co/docs/trl/clis
"""

from workbench.core.spec import dump_yaml


def trl_settings(command: str, files: dict[str, str]) -> dict[str, str]:
    """trl.yaml for `trl COMMAND --config trl.yaml`."""
    first = next(iter(files.values()))
    named = dump_yaml({"datasets": [{"path": "json", "data_files": first, "split": "train"}]})
    lines = [f"# trl {command} --config trl.yaml --model_name_or_path … (run in this folder)", named.rstrip()]
    if len(files) > 1:
        lines.append(f"# {' and '.join(list(files.values())[1:])}: rows held back, for an eval_dataset in Python")
    return {"trl.yaml": "\n".join(lines) + "\n"}


def loading(builder: str, files: dict[str, str]) -> dict[str, str]:
    """load.py, which reads the files with the library datasets."""
    named = ", ".join(f'"{split}": "{file}"' for split, file in files.items())
    text = (
        f'from datasets import load_dataset\n\ndata = load_dataset("{builder}", data_files={{{named}}})\nprint(data)\n'
    )
    return {"load.py": text}
