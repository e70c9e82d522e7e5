"""What is installed: the package, and inside it configs/ and models/, which stand beside it here as in MONAI's model zoo."""

from setuptools import find_packages, setup

DATA = ["*.yaml", "*.html", "*.md", "*.json", "*.conf", "*.pt", "*/*.yaml", "colin27/*", "*.js", "*.css", "niivue/*"]

setup(
    packages=[*find_packages(include=["bundle", "bundle.*"]), "bundle.configs", "bundle.models"],
    package_dir={"bundle.configs": "configs", "bundle.models": "models"},
    package_data={"": DATA},
)
