"""People who know a concept judge its pictures: the panel and its page, the answers, and as a stage what follows from them."""
