/** What the file system says, in the codes of the wire. */
import { ArcpError, type ErrorCode } from '../../protocol/errors.js';

const CODES: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ['ENOENT', 'NOT_FOUND'],
  ['EEXIST', 'ALREADY_EXISTS'],
  ['EACCES', 'PERMISSION_DENIED'],
  ['EPERM', 'PERMISSION_DENIED'],
  ['EROFS', 'PERMISSION_DENIED'],
  // A link where none was when the path was looked at.
  ['ELOOP', 'PERMISSION_DENIED'],
  ['ENOTDIR', 'FAILED_PRECONDITION'],
  ['EISDIR', 'FAILED_PRECONDITION'],
  ['ENOTEMPTY', 'FAILED_PRECONDITION'],
  ['ENOSPC', 'RESOURCE_EXHAUSTED'],
  ['EMFILE', 'RESOURCE_EXHAUSTED'],
  ['ENAMETOOLONG', 'INVALID_ARGUMENT'],
]);

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

/** The error, with the path as the agent wrote it. */
export function fileError(error: unknown, path: string): ArcpError {
  if (error instanceof ArcpError) return error;
  const code = codeOf(error) ?? '';
  const message = `${path}: ${code === '' ? String(error) : code}`;
  return new ArcpError(CODES.get(code) ?? 'INTERNAL', message, { cause: error });
}
