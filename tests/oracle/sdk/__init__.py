"""The part that runs in ``.venv-oracle`` beside msgraph-sdk. Imports nothing of this project but itself."""
