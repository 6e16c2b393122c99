"""Who may do what: accounts with roles, invitations by link, and the record of what happened to them."""
