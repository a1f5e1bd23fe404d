"""SharePoint and OneDrive by Microsoft Graph: files, pages of sites, and who may read them."""
