/** The log of `arcp serve`: on stderr, readable on a terminal and JSON elsewhere, written at once in either case. */
import { destination, pino, type Logger } from 'pino';
import { build as pretty } from 'pino-pretty';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevelName = (typeof LOG_LEVELS)[number];

const STDERR = 2;

export function createLogger(level: LogLevelName, isTerminal: boolean, color: boolean): Logger {
  const options = { level, base: null };
  if (!isTerminal) return pino(options, destination({ dest: STDERR, sync: true }));
  const stream = pretty({
    colorize: color,
    destination: STDERR,
    sync: true,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  });
  return pino(options, stream);
}
