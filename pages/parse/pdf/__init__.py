"""PDF → sections: what a page draws, where it stands, what belongs together."""
