/**
 * Paths that an author may name: below the workspace, whatever the platform. Only the text is looked at here; links are
 * found when the path is used.
 */

/** What is wrong with a path that must lie in the workspace, or `undefined`. */
export function pathFault(path: string): string | undefined {
  if (path === '') return 'expected a path, not nothing';
  if (path.includes('\0')) return 'a path has no NUL in it';
  if (/^[/\\]/.test(path) || /^[A-Za-z]:/.test(path) || path.startsWith('~')) {
    return 'expected a path relative to the workspace';
  }
  if (path.split(/[/\\]/).includes('..')) return 'expected a path inside the workspace, without ".."';
  return undefined;
}
