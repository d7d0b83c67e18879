/** The schema of the log file, and how an older one becomes the present one. */
import type { Database } from 'libsql';
import { ArcpError } from '../../protocol/errors.js';
import { gatherEvents } from './gather-events.js';

/** Step n makes schema n + 1 of schema n. A step that was released is never changed. */
const MIGRATIONS: readonly (string | ((database: Database) => void))[] = [
  `
  CREATE TABLE logs (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    head TEXT
  ) STRICT;

  CREATE TABLE events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    log      INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    type     TEXT NOT NULL,
    body     TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX events_by_log ON events (log, seq);

  CREATE TABLE documents (
    key      TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    text     TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  // Logs whose events are yet to be deleted. Sessions that the first schema kept cannot be rebuilt, and up to where it
  // had forgotten jobs is not known.
  `
  CREATE TABLE dropped (log INTEGER PRIMARY KEY) STRICT;
  DELETE FROM documents WHERE substr(key, 1, 8) = 'session/';
  INSERT INTO documents SELECT 'forgotten', 1, json_object('position', seq) FROM sqlite_sequence WHERE name = 'events';
  `,
  gatherEvents,
];

/** The schema that this code reads and writes. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/** Brings the file up to date. Throws FAILED_PRECONDITION for a file that a later version wrote. */
export function migrate(database: Database): void {
  const { user_version: present } = database.prepare('PRAGMA user_version').get() as { user_version: number };
  if (present > SCHEMA_VERSION) {
    throw new ArcpError(
      'FAILED_PRECONDITION',
      `the data folder was written by a later version (schema ${present}, this is ${SCHEMA_VERSION})`,
    );
  }
  for (const [index, step] of MIGRATIONS.entries()) {
    if (index < present) continue;
    database.exec('BEGIN IMMEDIATE');
    try {
      if (typeof step === 'string') database.exec(step);
      else step(database);
      database.exec(`PRAGMA user_version = ${index + 1}; COMMIT;`);
    } catch (error) {
      if (database.inTransaction) database.exec('ROLLBACK');
      throw error;
    }
  }
}
