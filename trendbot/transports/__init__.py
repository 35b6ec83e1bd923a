"""How mails leave: one file and one line here for each transport."""

TRANSPORTS = {
    "maildir": "trendbot.transports.maildir:Maildir",
    "smtp": "trendbot.transports.smtp:Smtp",
}
