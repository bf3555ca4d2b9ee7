"""Results for readers: the HTML page, comparison tables and the model card."""
