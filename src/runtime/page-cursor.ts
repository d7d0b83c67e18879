/** Places in listings: by creation, then by id. A cursor is a place in that order, not a list kept somewhere. */
import { ArcpError } from '../protocol/errors.js';
import { isId, type IdKind } from '../protocol/ids.js';

export interface Mark {
  readonly createdAt: number;
  readonly id: string;
}

export function compareMarks(a: Mark, b: Mark): number {
  if (a.createdAt !== b.createdAt) return a.createdAt - b.createdAt;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

export function writeCursor({ createdAt, id }: Mark): string {
  return Buffer.from(`${createdAt} ${id}`).toString('base64url');
}

/** Only what `writeCursor` writes is taken: throws INVALID_ARGUMENT. */
export function readCursor(cursor: string, kind: IdKind): Mark {
  const [time = '', id = ''] = Buffer.from(cursor, 'base64url').toString().split(' ');
  const mark = { createdAt: Number(time), id };
  if (!Number.isSafeInteger(mark.createdAt) || !isId(kind, id) || writeCursor(mark) !== cursor) {
    throw new ArcpError('INVALID_ARGUMENT', 'cursor: not one that this runtime gave');
  }
  return mark;
}

/** How many to list at once. Throws INVALID_ARGUMENT for none. */
export function pageSizeOf(limit: number | undefined, most: number): number {
  if (limit === 0) throw new ArcpError('INVALID_ARGUMENT', 'limit: expected at least 1');
  return Math.min(limit ?? most, most);
}
