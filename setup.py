"""What pyproject.toml cannot say: assets/ lies beside the packages here, and inside `workbench` once installed."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["workbench", "workbench.*", "tabs", "tabs.*"]), "workbench.assets"],
    package_dir={"workbench.assets": "assets"},
    package_data={"workbench.assets": ["**/*"]},
    exclude_package_data={"workbench.assets": ["screenshots/*"]},  # only the README shows them
)
