"""What a person sees: Adaptive Cards for Teams and the local page."""
