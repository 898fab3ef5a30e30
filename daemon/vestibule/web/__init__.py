"""`vestibule web`: the page on which staff see alerts and claim them; one service for one box or many."""
