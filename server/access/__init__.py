"""Who may do what: authentication, guards against guessing, cookies, CORS, client address, account commands."""
