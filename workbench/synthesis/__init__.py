"""Making more rows: new prompts and answers written by a model, filtered, judged and put on the shelf."""
