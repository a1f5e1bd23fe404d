"""Text around the model: prompts, questions, languages, output."""
