"""The tab in Teams, where somebody sees what they asked, what changed because of them, and their data."""
