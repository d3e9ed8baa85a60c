"""What people read: one context object, short templates without arithmetic. Knows no GitHub and no policy."""
