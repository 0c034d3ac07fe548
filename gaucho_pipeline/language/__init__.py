"""The languages of the program: texts in two languages, and the sentences that a person meets. The texts of pages are in `pages/words/`."""
