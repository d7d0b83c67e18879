/** Opens the log file of a data folder for this process alone. */
import Libsql, { type Database } from 'libsql';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ArcpError } from '../../protocol/errors.js';
import { migrate } from './schema.js';

/**
 * `full` survives a loss of power. `normal` survives the end of the process at any moment, but may lose the last
 * moments when the power fails.
 */
export type Durability = 'full' | 'normal';

export const LOG_FILE = 'arcp.db';

/** What the write-ahead log is cut to when all of it is in the file. */
const JOURNAL_BYTES = 16_777_216;

/** Throws UNAVAILABLE when another process uses the folder, or when it cannot be written. */
export function openDatabase(folder: string, durability: Durability): Database {
  let database: Database | undefined;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    database = new Libsql(join(folder, LOG_FILE));
    database.exec('PRAGMA auto_vacuum = INCREMENTAL');
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    database.exec('PRAGMA journal_mode = WAL');
    database.exec(`PRAGMA journal_size_limit = ${JOURNAL_BYTES}`);
    database.exec(`PRAGMA synchronous = ${durability === 'full' ? 'FULL' : 'NORMAL'}`);
    database.exec('BEGIN EXCLUSIVE; COMMIT');
    migrate(database);
    return database;
  } catch (error) {
    if (database !== undefined) closeDatabase(database);
    if (error instanceof ArcpError) throw error;
    if (isLocked(error)) {
      throw new ArcpError('UNAVAILABLE', `the data folder ${folder} is in use by another process`, {
        cause: error,
      });
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new ArcpError('UNAVAILABLE', `the data folder ${folder} cannot be opened: ${reason}`, {
      cause: error,
    });
  }
}

/**
 * Gives the file back. The exclusive lock of a WAL file goes only with the journal mode, and only the last statement's
 * collection would end the connection.
 */
export function closeDatabase(database: Database): void {
  try {
    database.exec('PRAGMA journal_mode = DELETE');
    database.exec('PRAGMA locking_mode = NORMAL');
    database.exec('SELECT count(*) FROM sqlite_master');
  } catch {
    // The disk is full, say. The write-ahead log stays beside the file, and whoever opens it next reads both.
  }
  database.close();
}

function isLocked(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY');
}
