/** Where the runtime's log lines go: the part of pino's interface that it needs. Fields are ids and codes, never payloads. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

const ignore = (): void => undefined;

export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/** Longest text of a field, in UTF-16 units: what comes from peers and agents can be of any length (law L7). */
const MAX_FIELD = 256;

/** The same logger with every text in a field cut. */
export function boundedLogger(logger: Logger): Logger {
  if (logger === silentLogger) return logger;
  return {
    debug: (fields, message) => {
      logger.debug(cut(fields), message);
    },
    info: (fields, message) => {
      logger.info(cut(fields), message);
    },
    warn: (fields, message) => {
      logger.warn(cut(fields), message);
    },
    error: (fields, message) => {
      logger.error(cut(fields), message);
    },
  };
}

function cut(fields: LogFields): LogFields {
  const isLong = (value: LogFields[string]): value is string =>
    typeof value === 'string' && value.length > MAX_FIELD;
  if (!Object.values(fields).some(isLong)) return fields;
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      isLong(value) ? `${value.slice(0, MAX_FIELD).toWellFormed()}…` : value,
    ]),
  );
}
