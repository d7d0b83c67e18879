/** Schema 3 of schema 2: what was a row for each event and for each log becomes batches, under the same positions. */
import type { Database } from 'libsql';
import { BatchWriter } from './batch.js';

const TABLES = `
  CREATE TABLE batches (
    last    INTEGER PRIMARY KEY,
    first   INTEGER NOT NULL,
    records TEXT NOT NULL,
    bodies  BLOB NOT NULL
  ) STRICT;

  -- Logs that were dropped together, as a list of the positions of their first records.
  CREATE TABLE drops (
    id   INTEGER PRIMARY KEY,
    logs TEXT NOT NULL
  ) STRICT;
`;

const BATCH_RECORDS = 256;
const BATCH_BYTES = 65_536;

interface EventRow {
  readonly position: number;
  readonly log: string;
  readonly seq: number;
  readonly type: string;
  readonly body: string;
  readonly head: string | null;
}

export function gatherEvents(database: Database): void {
  database.exec(TABLES);
  const add = database.prepare('INSERT INTO batches (last, first, records, bodies) VALUES (?, ?, ?, ?)');
  let writer = new BatchWriter();
  const slots = new Map<string, number>();
  let [first, last, count] = [0, 0, 0];
  const write = (): void => {
    if (count > 0) add.run(last, first, writer.records(), writer.bodies());
    writer = new BatchWriter();
    slots.clear();
    count = 0;
  };
  // Those whose log was dropped have none any more.
  const events = database.prepare(`
    SELECT position, logs.name AS log, seq, type, body, head
    FROM events JOIN logs ON logs.id = events.log WHERE position > ? ORDER BY position LIMIT ${BATCH_RECORDS}`);
  for (;;) {
    const page = events.all(last) as EventRow[];
    for (const { position, log, seq, type, body, head } of page) {
      if (count === 0) first = position;
      let slot = slots.get(log);
      if (slot === undefined) slots.set(log, (slot = writer.addLog(log)));
      const written = { kind: 'record', log, seq, type, body } as const;
      writer.add(position - first, slot, seq === 1 && head !== null ? { ...written, head } : written);
      last = position;
      count += 1;
      if (writer.size >= BATCH_BYTES) write();
    }
    write();
    if (page.length < BATCH_RECORDS) break;
  }
  // No position is given twice: where the latest records are gone, an empty batch says how far they went.
  const latest = database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'events'").get() as
    { readonly seq: number } | undefined;
  if (latest !== undefined && latest.seq > last)
    add.run(latest.seq, latest.seq, writer.records(), writer.bodies());
  database.exec('DROP TABLE events; DROP TABLE logs; DROP TABLE dropped;');
}
