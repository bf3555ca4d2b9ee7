"""Encryption at rest: AES-256-GCM in authenticated segments, for the keys that a policy names.

``segments`` is the body of a file, ``envelope`` the header that says for whom, ``lines`` the form
of files that grow, ``keys`` whose they are, ``policy`` and ``log`` who may open what and who did,
``store`` how the rest of llmsafe reads and writes all that, ``tree`` what the command line does
to files and folders. Nothing here imports ``cryptography`` before a key is used.
"""
