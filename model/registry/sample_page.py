"""A small page on which a new graph is tried: titles, and what stands under them."""

PASSAGES = (
    ("Leave", "New parents get sixteen weeks of paid leave. It can be taken in two parts within a year."),
    (
        "Travel",
        "Book trains in second class. Flights under four hours are economy; longer ones need approval.",
    ),
    ("Expenses", "Keep receipts for everything above 25 euros and send them in by the fifth of the month."),
    ("Passwords", "A password has at least fourteen characters. The help desk never asks for it."),
    ("Visitors", "Visitors sign in at the desk, wear a badge, and are met by whoever invited them."),
    ("Home office", "You may work from home on three days a week, if your team agrees on the days."),
    ("Illness", "Call your manager before nine. From the fourth day on a doctor's note is needed."),
    ("Bicycles", "The company pays half of a bicycle up to 800 euros, once in three years."),
)
