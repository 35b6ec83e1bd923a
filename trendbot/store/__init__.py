"""The database: one file for each kind of row; every function takes an open Connection.

Steps open the transactions. Nothing here decides anything about papers or mail.
"""
