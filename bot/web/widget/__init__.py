"""The widget: the chat page's answers in a panel on other sites, for visitors who are not signed in."""
