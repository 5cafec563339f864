"""Who may do what: roles, and the ways of showing who one is. Nothing here knows of HTTP."""
