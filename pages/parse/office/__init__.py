"""Office files → sections: documents, slides, sheets, mail."""
