"""What each membership attack looks at, in a line for readers who do not know it."""

ATTACKS = {
    "loss": "how likely the model finds the text",
    "zlib": "how likely the model finds the text, for how well it can be compressed",
    "min_k": "how likely the model finds the words that surprise it most",
    "min_k_pp": "how likely it finds these words, against all that it could have expected there",
    "base_difference": "how much likelier the text has become since the base model",
    "ez": "gains over the base where the model’s own guess is still wrong",
    "wbc": "in how many stretches of the text the model beats its base",
    "lowercase": "how much stranger the text becomes without its capitals",
    "recall": "how far outsiders’ notes put before the text change its likelihood",
    "neighbourhood": "how much better the model knows the text than small variations of it",
    "lira_offline": "the text’s likelihood against that under models trained without it",
    "lira_online": "the text’s likelihood against that under models trained with and without it",
    "rmia": "the text against other texts, under this model and models trained on other notes",
}
