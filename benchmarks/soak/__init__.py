"""The soak: mixed load on a whole system while its parts are killed and cut off, and a reckoning at the end.

tasks.py      what the load submits; each run writes down when it began and ended
house.py      the servers, and the roles with a proxy on each of their links
faults.py     which fault comes when (by the seed), and how each is made
load.py       clients of the HTTP API that note every call and what they were told
witness.py    what happened by other sources: the stream of changes, the files of effects, the records
reckon.py     every promise against all of that
report.py     the table, and what is needed to find the cause of a broken promise
"""
