"""The ledger: cursor, effects and outgoing events in one transaction; consumer, relay and job worker on top.

The rules, which ``batch``, ``inbox``, ``outbox`` and ``relay`` keep:

- One transaction holds a batch's effects, the cursor behind it, what was handled, and what is owed to others.
- The cursor moves only in that transaction, and only from where the batch began: a commit whose answer was lost is
  noticed by the cursor, and the batch is passed over.
- Each record becomes exactly one of applied, passed over (handled before, or nothing to us), or quarantined.
- An event is known by (producer, epoch, sequence). A gap in the sequence stops reading: it would lose something.
- A batch of which something is refused is applied again, each record under a savepoint, to find all that are.
- A record at which the process dies again and again is handled alone, and then quarantined.
- What is owed is numbered in the transaction, sent in that order, and stays until the log has it and readers have it too.
- Outages are waited out (TransientError); a wrong setup ends the service (SetupError), and refuses no record.
"""
