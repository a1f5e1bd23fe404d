"""Answers without a conversation: the command line asks a running bot, or one that it opens for itself."""
