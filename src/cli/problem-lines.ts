/** Mistakes of a file as compilers print them and editors read them. */
import type { Problem } from '../documents/problems.js';

/** `file:line:column: error: path: message`; without a place where nobody knows it. */
export function problemLine(file: string, { severity, line, column, path, message }: Problem): string {
  const at = line === 0 ? file : `${file}:${line}:${column}`;
  return `${at}: ${severity}: ${path === '' ? '' : `${path}: `}${message}`;
}

/** `2 errors, 1 warning` */
export function problemSum(problems: readonly Problem[]): string {
  const count = (severity: Problem['severity']): string =>
    counted(problems.filter((problem) => problem.severity === severity).length, severity);
  return `${count('error')}, ${count('warning')}`;
}

export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
